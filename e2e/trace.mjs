// How quick the web is, by the browser's own clocks: a workspace that opens, keys in a long file, programs that are run.
//
//   scripts/bench-web [MADANG [--save FILE] [--waterfall]]
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import puppeteer from 'puppeteer-core';
import { launch } from './browser.mjs';
import { Figures } from './figures.mjs';
import { Server } from './server.mjs';
import { named, signedIn } from './web.mjs';

const COLD_ROUNDS = 10;
const WARM_ROUNDS = 5;
/** What a browser that has just begun does by itself. */
const BEGINNING_MS = 1_500;
const KEYS = 300;
const KEY_EVERY_MS = 80;
const RUNS = 40;
const LONG_LINES = 5_000;
/** The Event Timing API tells of nothing quicker. */
const EVENT_MS_MIN = 16;

const { values: asked } = parseArgs({ options: { save: { type: 'string' }, waterfall: { type: 'boolean' } } });

/** Runs in each page before its own scripts: when somebody could have begun to type, and when the frame with it was painted. */
function probe() {
  const painted = (then) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => then(performance.now());
      port2.postMessage(null);
    });
  };
  globalThis.probe = { interactive: null, keys: [], pressed: 0, clickedAt: 0, wanted: null, shownAt: null };
  const look = () => {
    const run = [...document.querySelectorAll('button')].find(({ textContent }) => textContent === 'Run');
    const isReady = document.querySelector('.cm-content:focus .cm-line') && run && !run.disabled;
    if (isReady) painted((now) => {
        globalThis.probe.interactive = now;
        console.log('probe: interactive');
      });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === 'keydown') globalThis.probe.keys.push({ at: entry.startTime, took: entry.duration });
  }).observe({ type: 'event', durationThreshold: 16 });
  addEventListener('keydown', () => (globalThis.probe.pressed += 1), true);
  addEventListener('pointerup', (event) => (globalThis.probe.clickedAt = event.timeStamp), true);
  new MutationObserver(() => {
    const { wanted } = globalThis.probe;
    if (wanted === null || !document.querySelector('[role=log]')?.textContent.includes(wanted)) return;
    globalThis.probe.wanted = null;
    painted((now) => (globalThis.probe.shownAt = now));
  }).observe(document, { childList: true, subtree: true, characterData: true });
}

const server = await Server.start();
const browser = await launch();
try {
  const figures = new Figures('web');
  const first = await signedIn(browser, server);
  const state = await first.context().storageState();
  await first.context().close();
  const session = await server.api('POST', '/sessions', { language: 'python' });
  await server.write(session.id, 'main.py', 'print("first output")\n');
  const address = `${server.url}/w/${session.id}`;
  await opening(figures, state, address);
  const page = await newPage(state);
  await page.goto(address);
  await page.locator('.cm-content:focus').waitFor();
  await running(figures, page);
  await server.write(session.id, 'long.py', longProgram());
  await named(page, 'row', 'long.py').click();
  await typing(figures, page);
  console.log(await figures.text());
  if (asked.save) await writeFile(asked.save, await figures.json());
} finally {
  await browser.close();
  await server.stop();
}

async function newPage(storageState) {
  const context = await browser.newContext({ storageState, viewport: { width: 1280, height: 800 } });
  await context.addInitScript(probe);
  return context.newPage();
}

/**
 * From the start of the navigation to an editor that has the file and the focus, in browsers with a profile on the disk as people have
 * one, driven by the DevTools protocol with nothing put into the page but the probe. Cold: nothing of ours in it but who has signed in.
 */
async function opening(figures, { cookies }, address) {
  const [cold, warm] = [[], []];
  for (let round = 0; round < COLD_ROUNDS; round += 1) {
    const userDataDir = await mkdtemp(join(tmpdir(), 'madang-profile-'));
    const own = await puppeteer.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'], userDataDir, defaultViewport: { width: 1280, height: 800 } });
    try {
      await own.setCookie(...cookies.map((cookie) => ({ ...cookie, expires: -1 })));
      await new Promise((resolve) => setTimeout(resolve, BEGINNING_MS));
      for (let visit = 0; visit <= WARM_ROUNDS; visit += 1) {
        const { took, page } = await opened(own, address);
        (visit === 0 ? cold : warm).push(took);
        if (asked.waterfall && round === 1 && (visit === 0 || visit === WARM_ROUNDS)) console.log(await waterfall(page));
        await page.close();
      }
    } finally {
      await own.close();
      await rm(userDataDir, { recursive: true, force: true });
    }
  }
  figures.latencies('workspace interactive, cold', 'interactive_cold', cold);
  figures.latencies('workspace interactive, warm', 'interactive_warm', warm);
}

/** A new tab with it. The page itself says when: asking it all the time would hold it up. */
async function opened(own, address) {
  const page = await own.newPage();
  const told = new Promise((resolve) => page.on('console', (message) => message.text() === 'probe: interactive' && resolve()));
  await page.evaluateOnNewDocument(probe);
  await page.goto(address, { waitUntil: 'domcontentloaded' });
  await told;
  return { page, took: await page.evaluate(() => globalThis.probe.interactive) };
}

/** What the page asked for and when, for whoever looks for where the time goes. */
function waterfall(page) {
  return page.evaluate(() => {
    const line = ({ name, startTime, responseEnd, transferSize }) =>
      `  ${startTime.toFixed(0).padStart(6)} – ${responseEnd.toFixed(0).padStart(5)}  ${String(transferSize).padStart(7)}  ${new URL(name).pathname}`;
    const paints = performance.getEntriesByType('paint').map(({ name, startTime }) => `  ${startTime.toFixed(0).padStart(6)}  ${name}`);
    return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map(line).concat(paints, `  ${globalThis.probe.interactive.toFixed(0).padStart(6)}  interactive`).join('\n');
  });
}

/** From letting go of the mouse on Run to the frame that shows what the program printed. */
async function running(figures, page) {
  const samples = [];
  for (let round = 0; round < RUNS; round += 1) {
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(`print("out", ${round}, "put")`);
    // Saved first: how long that takes is no part of it.
    await page.getByText('Saved', { exact: true }).waitFor();
    await page.evaluate((wanted) => Object.assign(globalThis.probe, { wanted, shownAt: null }), `out ${round} put`);
    await named(page, 'button', 'Run').click();
    samples.push(await page.waitForFunction(() => globalThis.probe.shownAt && globalThis.probe.shownAt - globalThis.probe.clickedAt).then((took) => took.jsonValue()));
    await named(page, 'button', 'Run').waitFor();
  }
  figures.latencies('run click to first output', 'run_output', samples);
}

/** From a key to the frame that shows what it did, in the middle of a long file that is saved meanwhile. */
async function typing(figures, page) {
  const content = page.locator('.cm-content');
  await content.getByText('def step_0(').waitFor();
  await content.click();
  await page.keyboard.press('Control+Alt+g');
  await page.keyboard.type(`${LONG_LINES / 2}\n`);
  await page.locator('.cm-content:focus').waitFor();
  await page.keyboard.press('End');
  const since = await page.evaluate(() => {
    globalThis.probe.pressed = 0;
    return performance.now();
  });
  const keys = [...'value = compute(12, "text") + [x for x in y]  # why\n'].map((key) => (key === '\n' ? 'Enter' : key));
  for (let count = 0; count < KEYS; count += 1) {
    await page.keyboard.press(count % 10 === 9 ? 'Backspace' : keys[count % keys.length]);
    await page.waitForTimeout(KEY_EVERY_MS);
  }
  await page.getByText('Saved', { exact: true }).waitFor();
  const { keys: told, pressed } = await page.evaluate(() => globalThis.probe);
  const slow = told.filter(({ at }) => at >= since).map(({ took }) => took);
  if (pressed !== KEYS) throw new Error(`${pressed} of ${KEYS} keys came to the page`);
  figures.latencies(`keypress to paint, ${LONG_LINES} lines`, 'keypress_paint', [...slow, ...Array(pressed - slow.length).fill(EVENT_MS_MIN)]);
}

function longProgram() {
  const step = (number) => `def step_${number}(x):\n    """One step of many."""\n    total = x * ${number} + len("${'abc'.repeat(5)}")\n    return [total, {"key": total}, None]\n\n`;
  return Array.from({ length: LONG_LINES / 5 }, (_, number) => step(number)).join('');
}
