// Jobs, reservations, prices and budgets, as somebody plans with them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shown } from './browser.mjs';
import { hindrances, lookedAt, named, signedIn, signedInAs } from './web.mjs';
import { browser, server } from './world.mjs';

const row = (page, text) => page.getByRole('row').filter({ hasText: text });
const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
const HOUR_MS = 3_600_000;

test('a job runs by itself and keeps what it wrote, a class is promised its slots, and a price and a budget are set, changed and ended', async () => {
  const page = await signedIn(browser, server);
  const { id: folder } = await server.api('POST', '/folders', { name: 'results' });
  await shown(page, 'plan-job', async () => {
    await page.goto(`${server.url}/jobs`);
    await page.getByText(/No jobs yet/).waitFor();
    await named(page, 'button', 'New job').click();
    await page.getByLabel('Command').fill('echo forty-two | tee results/answer; exit 3');
    await page.getByLabel('Folder').selectOption('results');
    await page.getByLabel('Name (empty: the server chooses)').fill('train');
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', 'Begin it').click();
    await named(page, 'heading', 'train').waitFor();
    await page.locator('pre').getByText('forty-two').waitFor();
    await named(page, 'link', 'Sessions').first().click();
    await named(page, 'link', 'Jobs').click();
    await row(page, 'train').getByText('failed').waitFor();
  });
  const { url, ticket } = await server.api('POST', `/folders/${folder}/tickets`, { may: 'read' });
  const answer = await fetch(`${server.url}${url}${url.endsWith('/') ? '' : '/'}files/answer`, { headers: { authorization: `Bearer ${ticket}` } });
  assert.equal(await answer.text(), 'forty-two\n');
  // A group without bounds promises whatever is asked for.
  await server.api('PUT', '/resource-groups/default', { cpu_percent: 100 });
  await shown(page, 'plan-reservation', async () => {
    await named(page, 'link', 'Reservations').click();
    await page.getByText(/Nothing is reserved/).waitFor();
    await named(page, 'button', 'Reserve').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Language', { exact: true }).selectOption('python');
    await dialog.getByLabel('Slots').fill('90000');
    await dialog.getByLabel('Processors of each').fill('1');
    const begins = Date.now() + HOUR_MS;
    await dialog.getByLabel('Begins').fill(local(begins));
    await dialog.getByLabel('Ends').fill(local(begins + HOUR_MS));
    await named(dialog, 'button', 'Reserve').click();
    await dialog.getByText(/At most \d+ slots? can be promised for that time|Nothing can be promised/).waitFor();
    await dialog.getByLabel('Slots').fill('1');
    await named(dialog, 'button', 'Reserve').click();
    await dialog.waitFor({ state: 'detached' });
    const month = new Date(begins).toLocaleDateString('en', { year: 'numeric', month: 'long' });
    // In the last hour of a month it begins in the next one.
    if ((await named(page, 'heading', month).count()) === 0) await named(page, 'button', 'Month after').click();
    await named(page, 'table', month).getByText('1 slot, Python, default').first().waitFor();
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', 'Take it back… default').click();
    await page.getByText(/1 slot is promised no more/).waitFor();
    await named(page, 'button', 'Take it back').click();
    await page.getByText(/Nothing is reserved/).waitFor();
  });
  const theirs = await signedInAs(browser, server, 'grace');
  await shown(page, 'plan-money', async () => {
    await page.goto(`${server.url}/usage`);
    await named(page, 'button', 'Set a price').click();
    await page.getByRole('dialog').getByLabel('Price').fill('0.05');
    await page.getByRole('dialog').getByLabel('Currency, three letters').fill('eur');
    await named(page, 'button', 'Set it').click();
    await row(page, 'hour of a processor').getByText('€0.05').waitFor();
    await named(page, 'button', 'Set a price').click();
    await page.getByRole('dialog').getByLabel('Price').fill('0.10');
    await page.getByRole('dialog').getByLabel('From (empty: now)').fill(local(Date.now() + 24 * HOUR_MS));
    await named(page, 'button', 'Set it').click();
    await named(page, 'button', 'Take it back').click();
    await page.getByText('to come').waitFor({ state: 'detached' });
    await named(page, 'button', 'New budget').click();
    await page.getByRole('dialog').getByLabel('Whose').selectOption({ label: 'grace' });
    await page.getByLabel('May spend, in EUR').fill('5');
    await named(page, 'button', 'Set it').click();
    await row(page, 'grace').getByText('€0.00 of €5.00').waitFor();
    await theirs.goto(`${server.url}/usage`);
    await row(theirs, 'grace').getByText('€0.00 of €5.00').waitFor();
    assert.equal(await named(theirs, 'button', 'Set a price').count(), 0);
    await named(page, 'button', 'More for grace').click();
    await named(page, 'menuitem', 'Change…').click();
    await page.getByLabel('May spend, in EUR').fill('7.5');
    await named(page, 'button', 'Set it').click();
    await row(page, 'grace').getByText('€0.00 of €7.50').waitFor();
    await eventually('one budget', async () => (await server.api('GET', '/budgets')).items.length === 1);
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', 'More for grace').click();
    await named(page, 'menuitem', 'End…').click();
    await page.getByText(/Nothing bounds what grace spends any more/).waitFor();
    await named(page, 'button', 'End it').click();
    await page.getByText(/No budget bounds you/).waitFor();
  });
  await theirs.close();
  await page.close();
});

test('every page to plan with hinders nobody, in any look', async () => {
  const page = await signedIn(browser, server);
  await server.api('POST', '/sessions', { kind: 'batch', language: 'python', name: 'nightly', startup_command: 'echo done' });
  await server.api('POST', '/reservations', { language: 'python', slots: 1, starts_at: new Date(Date.now() + HOUR_MS).toISOString(), ends_at: new Date(Date.now() + 2 * HOUR_MS).toISOString() });
  await server.api('POST', '/budgets', { limit_micro: 5_000_000, period: 'month' });
  await lookedAt(page, server, { 'plan-jobs': '/jobs', 'plan-reservations': '/reservations', 'plan-usage': '/usage' });
  await page.close();
});
