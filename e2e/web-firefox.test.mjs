// The main path in Firefox as Debian has it, by WebDriver BiDi: the link that the server printed, a first program that plots, a file
// that is changed and stays so, a terminal.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { eventually, PATIENCE_MS, shown } from './browser.mjs';
import { Server } from './server.mjs';
import { PASSWORD } from './web.mjs';

let server, browser;
before(async () => {
  server = await Server.start();
  // Firefox's own sandbox needs what root in a container may not have; the pages are ours.
  const env = { ...process.env, MOZ_DISABLE_CONTENT_SANDBOX: '1' };
  browser = await puppeteer.launch({ browser: 'firefox', executablePath: '/usr/bin/firefox-esr', headless: true, env, timeout: 2 * PATIENCE_MS });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

// By what is written on it: Firefox has no way to ask for roles and names yet.
const button = (name) => `::-p-xpath(//button[normalize-space()="${name}" or @aria-label="${name}"])`;

test('Firefox goes from the printed link to a plot, a kept file and a terminal', async () => {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !/\b401\b/.test(message.text())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  const see = (text) => page.waitForFunction((wanted) => document.body.innerText.includes(wanted), {}, text);
  await shown(page, 'web-firefox', async () => {
    await page.goto(server.link);
    await page.locator('input[type=password]').fill(PASSWORD);
    await page.locator(button('Set the password and go on')).click();
    await see('Write your first program');
    await page.locator(button('Begin with Python')).click();
    await see('Press Run');
    await page.locator(button('Run')).click();
    await see('Hello, Madang!');
    await page.locator('img[alt="A picture that the program drew"]').wait();

    await page.locator('.cm-content').click();
    await page.keyboard.down('Control');
    await page.keyboard.press('a');
    await page.keyboard.up('Control');
    await page.keyboard.type('print(6 * 7)');
    const { items } = await server.api('GET', '/sessions');
    await eventually('the text is kept', async () => (await server.text(`/sessions/${items[0].id}/files/main.py`)) === 'print(6 * 7)');
    // Before it has heard so it asks whether it may go, and nobody answers.
    await see('Saved');
    await page.reload();
    await see('print(6 * 7)');

    await page.locator(button('Terminal')).click();
    // What is typed before the shell is there goes nowhere.
    await page.waitForFunction(() => document.querySelector('.xterm-rows')?.textContent.includes('$'));
    await page.focus('.xterm-helper-textarea');
    await page.keyboard.type('echo $((20 + 3))-from-firefox\n');
    await see('23-from-firefox');
    assert.deepEqual(complaints, []);
  });
  await page.close();
});
