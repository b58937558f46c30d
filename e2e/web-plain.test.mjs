// A school's server without HTTPS, reached by its name: browsers keep some of what they can do from such pages.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { launch, shown } from './browser.mjs';
import { named, PASSWORD, webPage } from './web.mjs';
import { server } from './world.mjs';

/** What was copied, as whoever pastes it gets it. */
async function pasted(page) {
  await page.locator('.cm-content').first().click();
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Control+v');
  return page.locator('.cm-content').first().innerText();
}

test('a page without HTTPS writes, runs, makes cells of a notebook and copies', async () => {
  const browser = await launch(['--host-resolver-rules=MAP school.test 127.0.0.1']);
  after(() => browser.close());
  const school = new URL(server.url);
  school.hostname = 'school.test';
  const link = new URL(server.link);
  link.hostname = 'school.test';
  const session = await server.api('POST', '/sessions', { language: 'python' });
  await server.write(session.id, 'main.py', 'print(6 * 7)\n');
  const page = await webPage(browser);
  // What browsers say of a header that they heed with HTTPS alone.
  page.refused = /Cross-Origin-Opener-Policy header has been ignored/;
  await shown(page, 'web-plain', async () => {
    await page.goto(link.href);
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await page.getByLabel('New password').fill(PASSWORD);
    await named(page, 'button', 'Set the password and go on').click();
    await page.getByRole('heading', { level: 1 }).getByText(/Workspaces|Write your first program/).waitFor();
    await page.goto(`${school.href}w/${session.id}`);
    await page.locator('.cm-content[contenteditable=true]').waitFor();
    await named(page, 'button', 'Run').click();
    await page.getByText('42', { exact: true }).waitFor();
  });
  // A link to what was run.
  await named(page, 'button', 'History').first().click();
  await page.getByRole('list', { name: 'History' }).getByRole('button', { name: /print/ }).click();
  await named(page.getByRole('article'), 'button', 'Share…').click();
  await named(page, 'button', 'Make a link').click();
  const shared = await page.getByRole('textbox', { name: 'Link' }).inputValue();
  await named(page, 'button', 'Copy').click();
  await named(page, 'button', 'Copied').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Copied', 'the focus is where it was');
  await named(page, 'button', 'Close').click();
  assert.equal(await pasted(page), shared);
  // Cells of a notebook that begins empty.
  await server.write(session.id, 'book.ipynb', '');
  await named(page, 'row', 'book.ipynb').click();
  await page.locator('[data-cell]').first().focus();
  await page.keyboard.press('b');
  await page.keyboard.press('b');
  await page.locator('[data-cell]').nth(2).waitFor();
  assert.deepEqual(page.complaints, []);
});
