// Jupyter Notebook in a session: its list of files opens, and a notebook in it runs a cell.
import { after, before, test } from 'node:test';
import { eventually, launch, newPage, shown } from './browser.mjs';
import { Server } from './server.mjs';

let server, browser;
before(async () => {
  server = await Server.start(['--apps-listen', '127.0.0.1:0']);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('Jupyter Notebook opens a notebook that runs a cell', async () => {
  const session = await server.api('POST', '/sessions', { language: 'python', app: 'notebook' });
  const { url } = await server.api('POST', `/sessions/${session.id}/apps`, { name: 'notebook' });
  const page = await newPage(browser);
  await shown(page, 'notebook', async () => {
    await page.goto(url);
    await page.locator('.jp-DirListing').waitFor();
    // What its menu does, without another window.
    const address = new URL(url);
    const cell = { cell_type: 'code', source: 'print(6 * 7)', metadata: {}, outputs: [], execution_count: null, id: 'a' };
    const kernelspec = { name: 'python3', display_name: 'Python 3', language: 'python' };
    const notebook = { cells: [cell], metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 };
    await server.write(session.id, 'first.ipynb', JSON.stringify(notebook));
    await page.goto(`${address.origin}${address.pathname.replace(/tree$/, 'notebooks/first.ipynb')}`);
    await eventually('the cell has run', async () => {
      // What is run before the kernel is there it drops, and nothing on the page says when that is.
      await page.locator('.jp-Notebook .jp-Cell .cm-content').first().click();
      await page.keyboard.press('Shift+Enter');
      await page.locator('.jp-OutputArea-output', { hasText: '42' }).first().waitFor({ timeout: 5_000 });
      return true;
    });
  });
});
