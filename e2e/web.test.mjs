// The web, as somebody uses it who has never seen it: from the link that the server printed to a program that runs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { eventually, launch, newPage, shown } from './browser.mjs';
import { Server } from './server.mjs';

const PASSWORD = 'a long enough password';
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let server, browser;
before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A page whose every complaint, of the policy or of a script, is a failure of its test. */
async function webPage(context) {
  const page = await (context ? context.newPage() : newPage(browser));
  page.complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 401/.test(message.text())) page.complaints.push(message.text());
  });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  return page;
}

const named = (page, role, name) => page.getByRole(role, { name, exact: true });

async function signIn(page) {
  await page.goto(`${server.url}/`);
  await page.getByLabel('Name').fill('administrator');
  await page.getByLabel('Password').fill(PASSWORD);
  await named(page, 'button', 'Sign in').click();
}

/** What axe finds that hinders people. Scripts of the test are no part of the page, so its policy does not hold for them. */
async function hindrances(page) {
  await page.evaluate(await readFile(axe, 'utf8'));
  const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }));
  const serious = found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return serious.flatMap(({ id, nodes }) => nodes.map(({ target, any }) => `${id}: ${target.join(' ')} ${any[0]?.message ?? ''}`));
}

test('the printed link sets a password, and a first program plots', async () => {
  const page = await webPage();
  await shown(page, 'web-first-program', async () => {
    await page.goto(server.link);
    await page.getByLabel('New password').fill(PASSWORD);
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', 'Set the password and go on').click();
    await named(page, 'heading', 'Write your first program').waitFor();
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', 'Begin with Python').click();
    await page.locator('.cm-content').getByText('Press Run').waitFor();
    await named(page, 'button', 'Run').click();
    await page.getByText('Hello, Madang!').last().waitFor();
    await named(page, 'img', 'A picture that the program drew').waitFor();
    await page.getByText('Done').waitFor();
    assert.deepEqual(await hindrances(page), []);
    assert.deepEqual(page.complaints, []);
  });
  await page.close();
});
