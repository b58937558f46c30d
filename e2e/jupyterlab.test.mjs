// JupyterLab in a session, from outside, as a person uses it: a cell that plots, a terminal, a notebook saved to a mounted folder.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, launch, newPage, shown } from './browser.mjs';
import { Server } from './server.mjs';

const PLOT = `import matplotlib.pyplot as plt
plt.plot([1, 4, 9])
plt.savefig("plot.png")
plt.show()`;

let server, browser;
before(async () => {
  server = await Server.start(['--apps-listen', '127.0.0.1:0']);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const inMenu = (page, kind, text) => page.locator(`.lm-${kind}-itemLabel`, { hasText: new RegExp(`^${text}$`) }).first();

test('JupyterLab plots, has a terminal, and saves to a folder that another session sees', async () => {
  await server.api('POST', '/folders', { name: 'work' });
  const mounts = [{ folder: 'work', at: 'work' }];
  const first = await server.api('POST', '/sessions', { language: 'python', app: 'jupyterlab', mounts });
  const { url } = await server.api('POST', `/sessions/${first.id}/apps`, { name: 'jupyterlab' });
  const page = await newPage(browser);
  await shown(page, 'jupyterlab', async () => {
    await page.goto(url);
    await page.locator('.jp-Launcher').waitFor();
    await page.locator('.jp-DirListing-item', { hasText: 'work' }).dblclick();
    await page.locator('.jp-BreadCrumbs-item', { hasText: 'work' }).waitFor();
    await page.locator('.jp-LauncherCard[data-category="Notebook"]').first().click();
    // What is run before the kernel is there JupyterLab drops, whoever serves it; the notebook's own indicator says idle before.
    await page.locator('#jp-main-statusbar', { hasText: 'Python 3 | Idle' }).waitFor();
    await page.locator('.jp-Notebook .jp-Cell .cm-content').first().click();
    await page.keyboard.insertText(PLOT);
    await page.keyboard.press('Shift+Enter');
    await page.locator('.jp-OutputArea-output img').first().waitFor();
    assert.equal(await page.getByText('official Jupyter news').count(), 0);
    await page.keyboard.press('Control+s');
    // The first time it asks for a name.
    await page.locator('.jp-Dialog button.jp-mod-accept').click();
    await inMenu(page, 'MenuBar', 'File').click();
    await inMenu(page, 'Menu', 'New').hover();
    await inMenu(page, 'Menu', 'Terminal').click();
    await page.locator('.jp-Terminal .xterm').first().click();
  });
  const second = await server.api('POST', '/sessions', { language: 'python', mounts });
  const seen = () => server.madang('exec', second.id, '--', 'ls', '/home/work/work');
  await eventually('what the terminal writes is seen by another session', async () => {
    await page.keyboard.type('echo by-terminal > ~/work/terminal.txt\n');
    const names = await seen();
    return names.includes('terminal.txt') && names.includes('plot.png');
  });
  await eventually('the notebook is saved with its plot', async () => {
    const notebook = JSON.parse(await server.madang('exec', second.id, '--', 'cat', '/home/work/work/Untitled.ipynb'));
    return notebook.cells[0].outputs.some((output) => output.data?.['image/png']);
  });
  assert.match(await seen(), /Untitled\.ipynb/);
});
