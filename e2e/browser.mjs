// Debian's Chromium, headless, and what tests do with pages.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const PATIENCE_MS = 60_000;

/** Chromium's own sandbox needs what root in a container may not have; the pages are ours and those of our tests. */
export const launch = (args = []) => chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', ...args] });

/** One whose every page, whoever opens it, is waited for as long as slow machines need; the browser ends it. */
export async function newContext(browser, options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  return context;
}

/** In a context of its own, in which other tabs may be opened. */
export const newPage = async (browser) => (await newContext(browser, { viewport: { width: 1280, height: 800 } })).newPage();

/** Looks again and again until `look` returns something; throws what it threw last when that never happens. */
export async function eventually(what, look, patience = PATIENCE_MS) {
  const until = Date.now() + patience;
  let last = 'nothing yet';
  for (;;) {
    // Asked before looking: whoever was kept from its turn still looks once more.
    const isLast = Date.now() >= until;
    const found = await look().catch((error) => void (last = error.message));
    if (found) return found;
    if (isLast) throw new Error(`${what}: ${last}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Keeps what the page shows, where MADANG_E2E_SHOTS says so; always where `act` fails. */
export async function shown(page, name, act) {
  const directory = process.env.MADANG_E2E_SHOTS;
  const keep = async (as) => {
    if (!directory) return;
    await mkdir(directory, { recursive: true });
    await page.screenshot({ path: join(directory, `${as}.png`) });
  };
  try {
    await act();
    await keep(name);
  } catch (error) {
    await keep(`${name}-failed`).catch(() => {});
    throw error;
  }
}
