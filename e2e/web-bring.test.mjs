// Directories of the computer, brought into a workspace and into a folder by a drop and by a choice.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, shown } from './browser.mjs';
import { hindrances, named, signedIn, workspace } from './web.mjs';
import { browser, server } from './world.mjs';

/** More than browsers give of a directory at once. */
const MANY = 150;

/** Directories as people have them, in one that goes with the test. */
async function directories(t) {
  const top = await mkdtemp(join(tmpdir(), 'madang-bring-'));
  t.after(() => rm(top, { recursive: true }));
  const write = async (path, text) => {
    await mkdir(join(top, path, '..'), { recursive: true });
    await writeFile(join(top, path), text);
  };
  await write('data/a.txt', 'first');
  await write('data/sub/deep/한글 #1 100%.txt', 'deep');
  await write('data/odd\nname.txt', 'odd');
  await write('data/.hidden', 'hidden');
  await mkdir(join(top, 'data/empty/below'), { recursive: true });
  for (let at = 0; at < MANY; at += 1) await write(`data/many/${at}.txt`, String(at));
  await write('more/x.txt', 'x');
  return { at: (path) => join(top, path), write };
}

/** Drops them there, as the browser has it from the desktop. */
async function drop(page, over, ...files) {
  const box = await over.boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const devtools = await page.context().newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop']) await devtools.send('Input.dispatchDragEvent', { type, ...at, data: { items: [], files, dragOperationsMask: 1 } });
  await devtools.detach();
}

test('a directory is dropped into a workspace, or chosen by keys, with all that can be in it, and replaces nothing unasked', async (t) => {
  const { at, write } = await directories(t);
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'print(1)\n');
  const files = page.getByRole('region', { name: 'Files', exact: true });
  const text = (path) => server.text(`/sessions/${session.id}/files/${path.split('/').map(encodeURIComponent).join('/')}`);
  const names = async (path) => (await server.api('GET', `/sessions/${session.id}/files?path=${path}`)).items.map(({ path }) => path).toSorted();
  await shown(page, 'web-bring', async () => {
    await drop(page, files.getByRole('heading'), at('data'));
    await page.getByText(/^Left out, because files are not called so here .*: data\/odd\ufffdname\.txt$/).waitFor();
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', `Upload the other ${MANY + 3} files`).click();
    await named(page, 'row', 'data').waitFor();
    await eventually('all is there', async () => (await names('data')).includes('data/empty'));
    assert.deepEqual(await names('data'), ['data/.hidden', 'data/a.txt', 'data/empty', 'data/many', 'data/sub']);
    assert.deepEqual(await names('data/empty'), ['data/empty/below']);
    assert.equal(await text('data/sub/deep/한글 #1 100%.txt'), 'deep');
    assert.equal((await names('data/many')).length, MANY);
  });
  // Again, and what is open is seen to be another.
  await named(page, 'row', 'data').click();
  await named(page, 'row', 'a.txt').click();
  await page.locator('.cm-content').getByText('first').waitFor();
  await write('data/a.txt', 'second');
  // What is dropped beside the tree goes to where the file lies that is looked at.
  await named(page, 'row', 'main.py').click();
  await drop(page, files.getByRole('heading'), at('data'));
  await shown(page, 'web-bring-replace', async () => {
    await page.getByText(/^These files are there already and are lost: data\/.* and 145 more$/).waitFor();
    await named(page, 'button', 'Cancel').click();
    assert.equal(await text('data/a.txt'), 'first');
    await drop(page, files.getByRole('heading'), at('data'));
    await named(page, 'button', 'Replace').click();
    await eventually('it is replaced', async () => (await text('data/a.txt')) === 'second');
    await named(page, 'row', 'a.txt').click();
    await page.locator('.cm-content').getByText('second').waitFor();
  });
  // Onto a folder of the tree, which stands still once nothing is said above it, and by keys.
  await page.getByText('Working on it…', { exact: true }).waitFor({ state: 'detached' });
  await drop(page, named(page, 'row', 'data'), at('more'));
  await eventually('it is in the folder', async () => (await text('data/more/x.txt')) === 'x');
  await write('more/x.txt', 'x by keys');
  const choosing = page.waitForEvent('filechooser');
  await named(files, 'button', 'Upload').focus();
  await page.keyboard.press('Enter');
  await named(page, 'menuitem', 'Upload a directory…').waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await (await choosing).setFiles(at('more'));
  await page.getByText('This file is there already and is lost: more/x.txt').waitFor();
  await named(page, 'button', 'Replace').click();
  await eventually('it is chosen', async () => (await text('data/more/x.txt')) === 'x by keys');
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('a directory is dropped into a folder, or chosen, and replaces nothing unasked', async (t) => {
  const { at, write } = await directories(t);
  const page = await signedIn(browser, server);
  const { id } = await server.api('POST', '/folders', { name: 'brought' });
  const { url, ticket } = await server.api('POST', `/folders/${id}/tickets`, { may: 'read' });
  const base = `${server.url}${url}${url.endsWith('/') ? '' : '/'}`;
  const get = (path) => fetch(`${base}${path}`, { headers: { authorization: `Bearer ${ticket}` } });
  const names = async (path) => (await (await get(`list/${path}`)).json()).entries.map(({ name }) => name).toSorted();
  await page.goto(`${server.url}/folders/${id}`);
  const here = page.getByText('Nothing is here yet.');
  await shown(page, 'web-bring-folder', async () => {
    await drop(page, here, at('data'));
    await page.getByText(/data\/odd\ufffdname\.txt/).waitFor();
    await named(page, 'button', `Upload the other ${MANY + 3} files`).click();
    await named(page, 'button', 'data').waitFor();
    const deep = () => get(`files/data/sub/deep/${encodeURIComponent('한글 #1 100%.txt')}`);
    // In whatever order the directory was read.
    await eventually('all is there', async () => (await names('data/many')).length === MANY && (await names('data/empty')).includes('below') && (await names('data')).length === 5 && (await deep()).ok);
    assert.equal(await (await deep()).text(), 'deep');
    assert.deepEqual(await names('data'), ['.hidden', 'a.txt', 'empty', 'many', 'sub']);
    assert.deepEqual(await hindrances(page), []);
  });
  for (const text of ['x again', 'x once more']) {
    await write('more/x.txt', text);
    await page.getByTestId('upload-directory').setInputFiles(at('more'));
    if (text !== 'x again') {
      await page.getByText('This file is there already and is lost: more/x.txt').waitFor();
      assert.equal(await (await get('files/more/x.txt')).text(), 'x again');
      await named(page, 'button', 'Replace').click();
    }
    await eventually('it is there', async () => (await (await get('files/more/x.txt')).text()) === text);
  }
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('files go a few at once: one that fails is named and tried again, what is left can be stopped, and it is said what is there', async (t) => {
  const { at, write } = await directories(t);
  for (const directory of ['some', 'rest']) for (let name = 0; name < 10; name += 1) await write(`${directory}/${name}.txt`, String(name));
  const page = await signedIn(browser, server);
  // A file that is refused here, by whoever stands between.
  page.refused = /status of 503/;
  const session = await workspace(page, server, 'print(1)\n');
  const files = page.getByRole('region', { name: 'Files', exact: true });
  const names = async (path) => (await server.api('GET', `/sessions/${session.id}/files?path=${path}`)).items.map(({ path }) => path).toSorted();
  const held = [];
  const pathOf = (route) => new URL(route.request().url()).pathname.split('/files/')[1];
  await page.route(/\/files\/(some|rest)\//, (route) => void held.push(route));
  const some = Array.from({ length: 10 }, (_, name) => `some/${name}.txt`);
  await shown(page, 'web-bring-failed', async () => {
    await drop(page, files.getByRole('heading'), at('some'));
    await page.getByText('0 of 10 files', { exact: true }).waitFor();
    await eventually('four are under way', async () => held.length === 4);
    assert.deepEqual(await hindrances(page), []);
    const refused = held[2];
    const failed = pathOf(refused);
    await refused.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify({ status: 503, code: 'unavailable', detail: 'the node is away' }) });
    for (let next = 0; next < 10; next += 1) {
      await eventually('another is under way', async () => held.length > next);
      assert.ok(held.length <= next + 5, 'four at once');
      if (held[next] !== refused) await held[next].continue();
    }
    const alert = page.getByRole('alert').filter({ hasText: '1 file is not there:' });
    await alert.getByText(`${failed}: the node is away`, { exact: true }).waitFor();
    await page.getByText('9 files are there.', { exact: true }).waitFor();
    assert.deepEqual(await names('some'), some.filter((path) => path !== failed));
    assert.deepEqual(await hindrances(page), []);
    await alert.getByRole('button', { name: 'Try again' }).focus();
    await page.keyboard.press('Enter');
    await eventually('it is tried again', async () => held.length === 11);
    await held[10].continue();
    await page.getByText('1 file is there.', { exact: true }).waitFor();
    assert.deepEqual(await names('some'), some);
  });
  held.length = 0;
  await shown(page, 'web-bring-stopped', async () => {
    await drop(page, files.getByRole('heading'), at('rest'));
    await eventually('four are under way', async () => held.length === 4);
    const sent = pathOf(held[0]);
    await held[0].continue();
    await page.getByText('1 of 10 files', { exact: true }).waitFor();
    await eventually('the next one is under way', async () => held.length === 5);
    await named(files, 'button', 'Stop uploading').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Stopped: 1 of 10 files are there.', { exact: true }).waitFor();
    await page.getByText(/^These were under way and may be there, too: (rest\/\d\.txt(, )?){4}$/).waitFor();
    assert.equal(await files.evaluate((pane) => pane.contains(document.activeElement)), true, 'the focus stays among the files');
    assert.deepEqual(await names('rest'), [sent]);
    assert.equal(held.length, 5, 'nothing more begins');
    assert.deepEqual(await hindrances(page), []);
  });
  await named(files, 'button', 'Close').click();
  assert.equal(await page.getByText(/^Stopped/).count(), 0);
  assert.deepEqual(page.complaints, []);
  await page.close();
});
