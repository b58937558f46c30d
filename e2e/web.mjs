// What tests of the web share: a page that complains, somebody who signs in, and what axe says.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { eventually, newPage, shown } from './browser.mjs';

export const PASSWORD = 'a long enough password';
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** A page whose every complaint, of the policy or of a script, is kept in `complaints`. */
export async function webPage(browser) {
  const page = await newPage(browser);
  page.complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 401/.test(message.text()) && !page.refused?.test(message.text())) page.complaints.push(message.text());
  });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  return page;
}

export const named = (page, role, name) => page.getByRole(role, { name, exact: true });

/** Once the page is called as its heading is, which it is a moment later. */
export const titled = (page, look) =>
  eventually('the title says what the heading says', async () => {
    assert.equal(await page.title(), `${await page.locator('h1').innerText()} · Madang`, look);
    return true;
  });

/** Once the editor has that file's text: before it is read only, and what is typed into it is lost. */
export const editable = (page, name) => page.getByLabel(name).and(page.locator('.cm-content[contenteditable=true]')).waitFor();

/** Gives the administrator a password over the API and signs in. */
export async function signedIn(browser, server) {
  const { secret } = await server.api('POST', '/links', { user: 'administrator', kind: 'reset' });
  await server.api('POST', '/links/use', { secret, password: PASSWORD });
  const page = await webPage(browser);
  await page.goto(`${server.url}/`);
  await page.getByLabel('Name').fill('administrator');
  await page.getByLabel('Password').fill(PASSWORD);
  await named(page, 'button', 'Sign in').click();
  await page.getByRole('heading', { level: 1 }).getByText(/Workspaces|Write your first program/).waitFor();
  return page;
}

/** A session with one file, open in the workspace. Returns the session. */
export async function workspace(page, server, text, name = 'main.py', asked = {}) {
  const session = await server.api('POST', '/sessions', { language: 'python', ...asked });
  await server.write(session.id, name, text);
  await page.goto(`${server.url}/w/${session.id}`);
  await page.locator('.cm-content[contenteditable=true]').waitFor();
  return session;
}

/** What axe finds that hinders people. Scripts of the test are no part of the page, so its policy does not hold for them. */
export async function hindrances(page) {
  await page.evaluate(await readFile(axe, 'utf8'));
  const found = await page.evaluate(async () => {
    // Colours on their way from one to another are nobody's choice; others may set out meanwhile.
    const moving = () => document.getAnimations().filter(({ effect, playState }) => playState === 'running' && effect.getTiming().iterations !== Infinity);
    while (moving().length > 0) await Promise.all(moving().map(({ finished }) => finished.catch(() => {})));
    return globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
  });
  const serious = found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return serious.flatMap(({ id, nodes }) => nodes.map(({ target, any }) => `${id}: ${target.join(' ')} ${any[0]?.message ?? ''}`));
}

/** Makes somebody, in the project `default`, and signs in as them in a context of their own. */
export async function signedInAs(browser, server, name) {
  const { id } = await server.api('POST', '/users', { name, project: 'default' });
  const { secret } = await server.api('POST', '/links', { user: id, kind: 'invitation' });
  await server.api('POST', '/links/use', { secret, password: PASSWORD });
  const page = await webPage(browser);
  await page.goto(`${server.url}/`);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(PASSWORD);
  await named(page, 'button', 'Sign in').click();
  await page.getByRole('heading', { level: 1 }).getByText(/Workspaces|Write your first program/).waitFor();
  return page;
}

/** Of three lines and the room around them. */
const ROW_PX_MAX = 96;
/** Narrower is a phone, whose tables scroll. */
const PHONE_PX_MAX = 640;

/** Every look that pages are looked at in: both schemes, both languages, from a desk to a phone. */
const LOOKS = [['light', 'en', { width: 1280, height: 800 }], ['dark', 'ko', { width: 390, height: 780 }], ['dark', 'en', { width: 820, height: 1180 }]];

/** In the page: buttons of tables that their frame cuts off. */
function cutOff() {
  const isCut = (button) => button.getBoundingClientRect().right > button.closest('[role=region]').getBoundingClientRect().right;
  return [...document.querySelectorAll('[role=region] td button')].filter(isCut).map((button) => button.ariaLabel ?? button.textContent);
}

/** In the page: tables that are wider than their frame, so that what is done with a row lies over what the row says. */
function overlaid() {
  return [...document.querySelectorAll('[role=region]:has(> table thead td)')].filter((frame) => frame.scrollWidth > frame.clientWidth).map((frame) => frame.ariaLabel);
}

/** In the page: rows of tables that are taller than three lines. */
function tall(max) {
  return [...document.querySelectorAll('[role=region] > table tbody tr')].filter((row) => row.getBoundingClientRect().height > max).map((row) => `${row.getBoundingClientRect().height} px: ${row.textContent}`);
}

/** Goes through pages in every look: nothing hinders, nothing is wider than the screen, nothing complains. `paths` are names of addresses. */
export async function lookedAt(page, server, paths, after = async () => {}) {
  for (const [theme, locale, viewport] of LOOKS) {
    await page.evaluate((settings) => localStorage.setItem('madang.settings', JSON.stringify(settings)), { theme, locale });
    await page.setViewportSize(viewport);
    for (const [name, path] of Object.entries(paths)) {
      const look = `${name}-${theme}-${locale}-${viewport.width}`;
      await shown(page, look, async () => {
        await page.goto(`${server.url}${path}`);
        await page.locator('h1').waitFor();
        await eventually(`${path} is loaded`, async () => (await page.getByText(/^(Loading…|불러오는 중…)$/).count()) === 0);
        await titled(page, look);
        await after(name);
        assert.deepEqual(await hindrances(page), [], look);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${look} is no wider than the screen`);
        if (viewport.width > PHONE_PX_MAX) {
          assert.deepEqual(await page.evaluate(overlaid), [], `${look}: no column lies under the last one`);
          assert.deepEqual(await page.evaluate(tall, ROW_PX_MAX), [], `${look}: rows are read at a glance`);
        }
        assert.deepEqual(await page.evaluate(cutOff), [], `${look}: what is done with a row is reached without scrolling sideways`);
      });
    }
  }
  assert.deepEqual(page.complaints, []);
}
