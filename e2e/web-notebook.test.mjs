// Notebooks in the workspace: cells run, by pointer and by keys, outputs are kept in the file, and what hostile files hold runs nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, newContext, shown } from './browser.mjs';
import { ESCAPES, MARKS, SVG, unharmed, watched } from './harm.mjs';
import { together } from './keyboard.mjs';
import { hindrances, named, signedIn } from './web.mjs';
import { browser, server } from './world.mjs';

/** Less than what the page takes for twice the same key. */
const APART_MS = 500;

const cell = (page, number) => page.locator('[data-cell]').nth(number - 1);

/** A session with this notebook, open. */
async function opened(page, notebook) {
  const session = await server.api('POST', '/sessions', { language: 'python' });
  await server.write(session.id, 'book.ipynb', notebook === '' ? '' : JSON.stringify(notebook));
  await page.goto(`${server.url}/w/${session.id}`);
  await named(page, 'row', 'book.ipynb').click();
  await cell(page, 1).waitFor();
  const saved = async () => JSON.parse(await server.text(`/sessions/${session.id}/files/book.ipynb`));
  return { session, saved };
}

const code = (source) => ({ cell_type: 'code', execution_count: null, id: `c${Math.random().toString(16).slice(2, 9)}`, metadata: { kept: [1] }, outputs: [], source });
const text = (source, more = {}) => ({ cell_type: 'markdown', id: `m${Math.random().toString(16).slice(2, 9)}`, metadata: {}, source, ...more });
const book = (cells, more = {}) => ({ cells, metadata: { kernelspec: { name: 'python3' }, ours: { not: 1 }, ...more }, nbformat: 4, nbformat_minor: 5 });

/** A program that reads the notebook that it stands in. */
const READS = `import json
book = json.load(open("book.ipynb"))
cells = book["cells"]
print(book["nbformat"], book["nbformat_minor"], [c["cell_type"] for c in cells], all({"outputs", "execution_count", "source", "metadata", "id"} <= set(c) for c in cells[1:]))`;

test('all cells run one after another, and the file keeps what they said and whatever else it held', async () => {
  const page = await signedIn(browser, server);
  const { saved } = await opened(page, book([
    text('# Squares\n\nA **table** and a [link](https://example.org).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n'),
    code('import matplotlib.pyplot as plt\nfor n in range(3):\n    print(n, flush=True)\nplt.plot([1, 4, 9])\nplt.show()'),
    code('class Table:\n    def _repr_html_(self):\n        return "<style>td { color: rgb(1, 2, 3) }</style><table><tr><td>in a frame</td></tr></table>"\nTable()'),
    code('name = input("Who? ")\nprint("hello", name)'),
    code('1 / 0'),
    code('print("never")'),
  ]));
  await shown(page, 'web-notebook', async () => {
    await cell(page, 1).getByRole('heading', { name: 'Squares' }).waitFor();
    await named(page, 'button', 'Run all').click();
    await page.getByLabel('Who?').fill('Ada');
    await page.keyboard.press('Enter');
    await cell(page, 4).getByText('hello Ada').waitFor();
    await cell(page, 2).locator('img').waitFor();
    const framed = cell(page, 3).frameLocator('iframe').getByText('in a frame');
    assert.equal(await framed.evaluate((element) => getComputedStyle(element).color), 'rgb(1, 2, 3)', 'styles of tables are seen');
    await cell(page, 5).getByText('ZeroDivisionError').first().waitFor();
    await named(page, 'button', 'Run all').waitFor();
    assert.equal(await cell(page, 6).getByText('never', { exact: true }).count(), 0, 'nothing runs after a failure');
  });
  const notebook = await eventually('it is saved', async () => {
    const notebook = await saved();
    return notebook.cells[4].outputs.length > 0 && notebook;
  });
  assert.deepEqual(notebook.metadata.ours, { not: 1 });
  assert.deepEqual(notebook.cells[1].metadata, { kept: [1] });
  assert.equal(notebook.cells[1].execution_count, 1);
  assert.deepEqual(notebook.cells[1].outputs[0], { output_type: 'stream', name: 'stdout', text: ['0\n', '1\n', '2\n'] });
  assert.match(notebook.cells[1].outputs.find((output) => output.data).data['image/png'], /^iVBOR/);
  assert.equal(notebook.cells[4].outputs[0].ename, 'ZeroDivisionError');
  // What is changed and run after a reload goes on from there, and Python reads what was written.
  await page.reload();
  await cell(page, 2).locator('img').waitFor();
  await cell(page, 4).getByText('hello Ada').waitFor();
  await cell(page, 6).locator('.cm-content').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(READS);
  await page.keyboard.press('Control+s');
  await page.getByText('Saved', { exact: true }).waitFor();
  await page.keyboard.press('Control+Enter');
  await cell(page, 6).getByText("4 5 ['markdown', 'code', 'code', 'code', 'code', 'code'] True").waitFor();
  await eventually('what came of it is saved', async () => (await saved()).cells[5].outputs.length > 0);
  await page.getByText('Saved', { exact: true }).waitFor();
  assert.equal((await saved()).cells[5].outputs.length, 1);
  assert.deepEqual(await hindrances(page), []);
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    await shown(page, `web-notebook-${scheme}`, async () => assert.deepEqual(await hindrances(page), []));
  }
  await page.setViewportSize({ width: 390, height: 780 });
  await named(page, 'button', 'Language').click();
  await named(page, 'menuitemradio', '한국어').click();
  await shown(page, 'web-notebook-phone', async () => {
    await named(page, 'button', '모두 실행').waitFor();
    assert.deepEqual(await hindrances(page), []);
  });
  // The row of keys that phones have, in the cell that is written in.
  await cell(page, 5).locator('.cm-content').click();
  await page.keyboard.press('Control+End');
  await page.locator('button', { hasText: /^#$/ }).evaluate((key) => { key.click(); });
  await cell(page, 5).locator('.cm-content').getByText('1 / 0#').waitFor();
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('a notebook is written from nothing by keys alone, as in Jupyter', async () => {
  const page = await signedIn(browser, server);
  const { saved } = await opened(page, '');
  const sources = async () => (await saved()).cells.map(({ cell_type: kind, source }) => `${kind}: ${source.join('')}`);
  const are = async (count) => (await page.locator('[data-cell]').count()) === count;
  const cells = (count) => eventually(`${count} cells`, () => are(count));
  const deletes = async (count) => {
    await together(page, ['d', 'd'], APART_MS, () => are(count));
    await cells(count);
  };
  await cell(page, 1).focus();
  await shown(page, 'web-notebook-keys', async () => {
    await page.keyboard.press('Enter');
    await page.keyboard.insertText('x = 6');
    await page.keyboard.press('Shift+Enter');
    await cells(2);
    await page.keyboard.insertText('x * 7');
    await page.keyboard.press('Control+Enter');
    await cell(page, 2).getByText('42').waitFor();
    await page.keyboard.press('a');
    await cells(3);
    await page.keyboard.press('m');
    await page.keyboard.press('Enter');
    await page.keyboard.insertText('# *Why*');
    await page.keyboard.press('Shift+Enter');
    await cell(page, 2).getByRole('heading', { name: 'Why' }).waitFor();
    await page.keyboard.press('b');
    await cells(4);
    await deletes(3);
    await page.keyboard.press('z');
    await cells(4);
    await deletes(3);
    await page.keyboard.press('Control+Shift+ArrowUp');
  });
  await eventually('it is saved', async () => (await sources()).join('|') === 'code: x = 6|code: x * 7|markdown: # *Why*' );
  await cell(page, 1).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText('print("on", flush=True)\nwhile True: pass');
  await page.keyboard.press('Control+Enter');
  await cell(page, 1).getByText('on', { exact: true }).waitFor();
  const interrupted = cell(page, 1).getByText('KeyboardInterrupt').first();
  await together(page, ['i', 'i'], APART_MS, () => interrupted.isVisible());
  await interrupted.waitFor();
  assert.deepEqual(page.complaints, []);
  await page.close();
});

/** Says a number every half second, twelve times; goes on after the third once there is the file `go`. */
const COUNTS = 'import os, time\nfor n in range(12):\n    print("line", n, flush=True)\n    while n == 2 and not os.path.exists("go"): time.sleep(0.1)\n    time.sleep(0.5)';
const LINES = Array.from({ length: 12 }, (_, n) => `line ${n}\n`);
const stream = (lines) => [{ output_type: 'stream', name: 'stdout', text: lines }];

const output = (page, number) => cell(page, number).getByRole('group', { name: /^What came of it/ });

/** Begins that cell, and waits until its file names the run. */
async function begun(page, saved, number) {
  await cell(page, number).locator('.cm-content').click();
  await page.keyboard.press('Control+Enter');
  await eventually('it has begun', async () => (await output(page, number).innerText()).trim() === LINES.slice(0, 3).join('').trim());
  return eventually('the file names the run', async () => (await saved()).cells[number - 1].metadata.madang?.run);
}

/** Waits until the file has all that the cell said, once; the cell. */
const complete = (saved, number) => eventually('the file has the output', async () => {
  const found = (await saved()).cells[number - 1];
  return found.metadata.madang === undefined && found.outputs.length > 0 && found;
});

test('what a cell says is in its notebook, once, whatever becomes of the page meanwhile', async () => {
  const page = await signedIn(browser, server);
  const { session, saved } = await opened(page, book([code('x = 5'), code(COUNTS), code('x + 1')]));
  await shown(page, 'web-notebook-reload', async () => {
    await cell(page, 1).locator('.cm-content').click();
    await page.keyboard.press('Control+Enter');
    await cell(page, 1).getByText('[1]').waitFor();
    await begun(page, saved, 2);
    await page.reload();
    // It is running there, too, and what is typed meanwhile stays.
    await named(page, 'button', 'Stop').waitFor();
    await cell(page, 2).getByText('line 2').waitFor();
    await cell(page, 3).locator('.cm-content').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.insertText(' + 1');
    await page.keyboard.press('Control+Enter');
    await server.write(session.id, 'go', '');
    await cell(page, 3).getByText('7', { exact: true }).waitFor();
    await output(page, 2).getByText('line 11').waitFor();
    assert.equal(await output(page, 2).innerText().then((text) => text.trim()), LINES.join('').trim());
    const second = await complete(saved, 2);
    assert.deepEqual(second.outputs, stream(LINES));
    assert.deepEqual(second.metadata, { kept: [1] });
    const counts = await eventually('the third is saved', async () => {
      const { cells } = await saved();
      return cells[2].outputs.length > 0 && cells.map(({ execution_count: count }) => count);
    });
    assert.deepEqual(counts, [1, 2, 3]);
  });
  // Nobody looks while it ends; two pages are opened afterwards, and write it once.
  await server.api('DELETE', `/sessions/${session.id}/files/go`);
  await begun(page, saved, 2);
  const state = await page.context().storageState();
  await page.close();
  await server.write(session.id, 'go', '');
  await eventually('it has ended', async () => (await server.api('GET', `/sessions/${session.id}/runs?mode=query&limit=1`)).items[0].state === 'finished');
  assert.match((await saved()).cells[1].metadata.madang.run, /^run_/, 'nobody has written it yet');
  // Two tabs of one browser, and another browser.
  const [here, there] = [await newContext(browser, { storageState: state }), await newContext(browser, { storageState: state })];
  const pages = [await here.newPage(), await here.newPage(), await there.newPage()];
  for (const page of pages) await page.goto(`${server.url}/w/${session.id}`);
  for (const page of pages) {
    await output(page, 2).getByText('line 11').waitFor();
  }
  const second = await complete(saved, 2);
  assert.deepEqual([second.outputs, second.execution_count], [stream(LINES), 4]);
  for (const page of pages) {
    await page.getByText('Saved', { exact: true }).waitFor();
    assert.equal(await output(page, 2).innerText().then((text) => text.trim()), LINES.join('').trim());
  }
  for (const context of [here, there]) await context.close();
});

test('a notebook that claims to wait for a run of another session, or for none, is shown as it is', async () => {
  const page = await signedIn(browser, server);
  const other = await server.api('POST', '/sessions', { language: 'python' });
  const secret = await server.api('POST', `/sessions/${other.id}/runs`, { code: 'print("of another session")', wait: false });
  const claims = [secret.id, 'run_00000000000000000000000000', '../sessions', `${secret.id}/events`];
  const cells = claims.map((run) => ({ ...code('1'), metadata: { madang: { run } }, outputs: stream(['as it was\n']) }));
  await opened(page, book([...cells, code('print("mine")')]));
  await shown(page, 'web-notebook-claims', async () => {
    await cell(page, 5).locator('.cm-content').click();
    await page.keyboard.press('Control+Enter');
    await cell(page, 5).getByText('mine', { exact: true }).waitFor();
    for (const number of [1, 2, 3, 4]) await cell(page, number).getByText('as it was').waitFor();
    assert.equal(await page.getByText('of another session').count(), 0);
  });
  await page.close();
});

const MARK = MARKS.join('');
const HARM = [
  text(`${MARK}\n\n[link](javascript:top.harmed=5) <javascript:top.harmed=6> [data](data:text/html,${MARK}) ![p](javascript:top.harmed=7) ![remote](https://example.org/spy.png) ![up](../../etc/passwd) ![svg](data:image/svg+xml,<svg/onload=top.harmed=8>)\n\n\`\`\`html\n${MARK}\n\`\`\`\n\n| ${MARK} |\n|---|\n| ${MARK} |`),
  text('![a](attachment:a.png)', { attachments: { 'a.png': { 'text/html': MARK, 'image/svg+xml': MARK }, __proto__: { 'image/png': 'x' } } }),
  { ...code(MARK), metadata: { name: MARK, trusted: true, __proto__: { harmed: 1 } }, outputs: [
    { output_type: 'display_data', data: { 'text/html': MARK }, metadata: { isolated: false, trusted: true } },
    { output_type: 'display_data', data: { 'image/svg+xml': SVG }, metadata: {} },
    { output_type: 'display_data', data: { 'application/javascript': 'top.harmed=13' }, metadata: {} },
    { output_type: 'display_data', data: { [MARK]: 'x' }, metadata: {} },
    { output_type: 'display_data', data: { 'text/markdown': `${MARK} [x](javascript:top.harmed=14)` }, metadata: {} },
    { output_type: 'display_data', data: { 'image/png': 'no base64 at all"><script>top.harmed=15</script>' }, metadata: {} },
    { output_type: 'stream', name: MARK, text: `${ESCAPES}${MARK}` },
    { output_type: 'error', ename: MARK, evalue: MARK, traceback: [`\u001b[31m${MARK}`] },
    { output_type: 'update_display_data', data: null, metadata: null },
    { output_type: MARK },
  ] },
];

test('what stands in a hostile notebook runs no script in our page, reaches no stranger and does not look like us', async () => {
  const page = await signedIn(browser, server);
  const seen = await watched(page, server);
  await opened(page, book(HARM, { title: MARK, kernelspec: { name: MARK, display_name: MARK, language: MARK } }));
  await shown(page, 'web-notebook-harm', async () => {
    await cell(page, 3).locator('iframe').waitFor();
    await unharmed(page, seen);
    const cells = page.locator('[data-cell]');
    // The links that are left lead where they say, in another tab that knows nothing of this one.
    for (const link of await cells.locator('a').all()) assert.match(await link.getAttribute('rel'), /noopener/);
    for (const picture of await cells.locator('img').all()) assert.match(await picture.getAttribute('src'), /^blob:/);
  });
  await page.close();
});
