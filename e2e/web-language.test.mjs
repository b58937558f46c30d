// What language servers in the session say of a text: problems, meanings, completions, definitions; what becomes of one that ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, PATIENCE_MS, shown } from './browser.mjs';
import { HOSTILE_SERVER } from './hostile-server.mjs';
import { MARKS, unharmed, watched } from './harm.mjs';
import { editable, hindrances, named, signedIn, workspace } from './web.mjs';
import { browser, server } from './world.mjs';

const line = (page, kind, timeout = PATIENCE_MS) => page.locator(`[data-service=${kind}]`).waitFor({ timeout });
const wrong = (page) => page.locator('.cm-lintRange-error');

/** Some of what the page says of its language server it says for a second: all of it, from now on, for `heard`. */
const listened = (page) =>
  page.evaluate(() => {
    globalThis.services = [];
    const look = () => globalThis.services.push(...[...document.querySelectorAll('[data-service]')].map(({ dataset }) => dataset.service));
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributeFilter: ['data-service'] });
  });

const heard = (page, kind) =>
  eventually(`the page says ${kind}`, async () => {
    const services = await page.evaluate(() => [...new Set(globalThis.services)]);
    if (!services.includes(kind)) throw new Error(`so far ${services.join(' ')}`);
    return true;
  });

/** Waits for the server while somebody uses the session: one that begins slowly is not suspended meanwhile. */
const served = (page, session) => eventually('it serves', async () => (await server.text(`/sessions/${session.id}/files/main.py`)) && page.locator('[data-service=ready]').isVisible());

/** A command in the session, as a tool would run it. */
const inSession = (session, ...argv) => server.api('POST', `/sessions/${session.id}/runs`, { mode: 'command', argv, limits: { wall_ms: 4 * PATIENCE_MS }, wait: true });

async function replaceText(page, text) {
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
}

const SHAPE = 'import math\n\n\ndef area(radius):\n    """The area of a circle, <b>not</b> of a [square](javascript:alert(1))."""\n    return math.pi * radius ** 2\n';

test('Python: problems, completions, meanings and definitions, and a server that ends comes back', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'from shape import area\n\nprint(aera(2))\n');
  await server.write(session.id, 'shape.py', SHAPE);
  await line(page, 'ready');
  await shown(page, 'web-language-problem', async () => {
    await wrong(page).getByText('aera').waitFor();
    await page.getByText(/pylsp: \d problem/).waitFor();
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+Home');
    await page.keyboard.press('F8');
    await page.locator('.cm-tooltip .cm-diagnostic').waitFor();
    await page.keyboard.press('F8');
    await page.locator('.cm-announced').getByText("undefined name 'aera'").waitFor({ state: 'attached' });
    await page.locator('.cm-tooltip').getByText("undefined name 'aera'").waitFor();
    assert.deepEqual(await hindrances(page), []);
  });
  await replaceText(page, 'from shape import area\n\nprint(area(2))\n');
  await wrong(page).waitFor({ state: 'detached' });
  await page.getByText('pylsp: no problems').waitFor();
  await shown(page, 'web-language-completion', async () => {
    await page.keyboard.type('\nare');
    const offered = page.locator('.cm-completionLabel').getByText('area(radius)');
    await offered.waitFor();
    await page.locator('.cm-completionInfo').getByText('The area of a circle').waitFor();
    assert.deepEqual(await hindrances(page), []);
    await offered.click();
    await eventually('it is put in', async () => (await page.locator('.cm-activeLine').textContent()) === 'area');
    await page.keyboard.type('(');
    await page.locator('.cm-lsp-signature').getByText('area(radius)').waitFor();
    await page.keyboard.type('1');
  });
  await shown(page, 'web-language-meaning', async () => {
    await page.locator('.cm-line').getByText('area').last().hover();
    const said = page.locator('.cm-tooltip-hover .cm-said');
    await said.getByText('The area of a circle, <b>not</b> of a').waitFor();
    assert.equal(await said.locator('b, a, script, img').count(), 0, 'what stands there as tags is text');
    assert.deepEqual(await hindrances(page), []);
  });
  await shown(page, 'web-language-definition', async () => {
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Control+k');
    await page.keyboard.press('Control+i');
    await page.locator('.cm-tooltip.cm-said').getByText('The area of a circle').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('F12');
    await page.locator('[aria-current=true]').getByText('shape.py').waitFor();
    await page.locator('.cm-activeLine').getByText('def area(radius):').waitFor();
    await page.keyboard.press('Control+Home');
    for (let step = 0; step < 'import m'.length; step += 1) await page.keyboard.press('ArrowRight');
    await eventually('a definition elsewhere is said to be there', async () => {
      await page.keyboard.press('F12');
      return page.getByText(/It is defined in .*, outside the workspace|No definition was found/).isVisible();
    });
  });
  await shown(page, 'web-language-again', async () => {
    await page.getByRole('button', { name: 'main.py', exact: true }).click();
    await editable(page, 'main.py');
    await replaceText(page, 'print(aera)\n');
    await wrong(page).getByText('aera').waitFor();
    await listened(page);
    await inSession(session, 'sh', '-c', 'pkill -9 pylsp');
    await heard(page, 'waiting');
    await line(page, 'ready');
    await wrong(page).getByText('aera').waitFor();
  });
  const { items } = await server.api('GET', `/sessions/${session.id}/runs`);
  assert.deepEqual(items.map(({ mode }) => mode), ['command'], 'no language server is a run');
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('C++ by clangd, a language without a server, and one that is given up', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, '#include <vector>\n#include "shape.hpp"\n\nint main() {\n  std::vector<int> all;\n  return areaa(all.size());\n}\n', 'main.cpp', { language: 'cpp' });
  await server.write(session.id, 'shape.hpp', '/// The area of a square.\ninline int area(int side) { return side * side; }\n');
  await server.write(session.id, 'other.lua', 'print(1)\n');
  await line(page, 'ready');
  await shown(page, 'web-language-cpp', async () => {
    await wrong(page).getByText('areaa').waitFor();
    await page.locator('.cm-line').getByText('areaa').hover();
    await page.locator('.cm-tooltip').getByText("Use of undeclared identifier 'areaa'").waitFor();
    await page.locator('.cm-line').getByText('vector', { exact: true }).hover();
    await page.locator('.cm-tooltip .cm-said').getByRole('heading').getByText('class vector').waitFor();
  });
  await shown(page, 'web-language-none', async () => {
    await named(page, 'button', 'What the list shows').click();
    await named(page, 'menuitem', 'Read the list again').click();
    await page.getByRole('row', { name: 'other.lua', exact: true }).click();
    await page.getByText('There is no language server for Lua.').waitFor();
  });
  await page.getByRole('button', { name: 'main.cpp', exact: true }).click();
  await line(page, 'ready');
  await shown(page, 'web-language-stopped', async () => {
    // As often as it comes back; one that is going already is not ended twice.
    const ending = inSession(session, 'sh', '-c', 'for n in 1 2 3 4; do until pkill -9 clangd; do sleep 0.1; done; while pgrep clangd; do sleep 0.1; done; done');
    await line(page, 'stopped', 4 * PATIENCE_MS);
    await ending;
    await named(page, 'button', 'Start it again').click();
    await line(page, 'ready');
    await wrong(page).getByText('areaa').waitFor();
  });
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('a language server gives way to programs, keeps no session from being idle, and ends with its page', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'print(1)\n', 'main.py', { suspend_idle_ms: 2_000 });
  await served(page, session);
  const out = async (...argv) => (await inSession(session, ...argv)).stdout;
  const service = 'for one in $(pgrep -x pylsp); do ps -o user=,ni= -p $one; cat /proc/$one/oom_score_adj; done';
  assert.match(await out('sh', '-c', service), /^\S+ +1\d\n900\n$/);
  assert.equal(await out('sh', '-c', 'ps -o user= -p $(pgrep -x pylsp)'), await out('sh', '-c', 'ps -o user= -p $$'));
  // In one of the moments between two looks of the page at its files, which use the session.
  await eventually('nobody writes, so the session is suspended', async () => (await server.api('GET', `/sessions/${session.id}`)).state === 'suspended', 2 * PATIENCE_MS);
  await shown(page, 'web-language-thawed', async () => {
    await replaceText(page, 'print(aera)\n');
    await wrong(page).getByText('aera').waitFor();
  });
  // More than is left beside it: what somebody runs goes on, and what serves the editor goes.
  const run = await inSession(session, 'python3', '-c', 'b = bytearray(200 << 20)\nprint(len(b))');
  assert.deepEqual([run.verdict, run.stdout], ['ok', `${200 << 20}\n`]);
  await served(page, session);
  await wrong(page).getByText('aera').waitFor();
  await page.close();
  await eventually('it ends with its page', async () => (await out('sh', '-c', 'pgrep -x pylsp | wc -l')).trim() === '0');
});

test('a language server that means harm runs no script in our page, leads nowhere and changes nothing', async () => {
  const page = await signedIn(browser, server);
  const seen = await watched(page, server);
  const session = await server.api('POST', '/sessions', { language: 'python' });
  const found = await server.api('POST', `/sessions/${session.id}/runs`, { mode: 'command', argv: ['python3', '-m', 'site', '--user-site'], wait: true });
  const site = found.stdout.trim().replace('/home/work/', '');
  await server.write(session.id, `${site}/usercustomize.py`, HOSTILE_SERVER);
  await server.write(session.id, 'mark.html', MARKS.join('\n'));
  await server.write(session.id, 'main.py', 'print(1)\n');
  await page.goto(`${server.url}/w/${session.id}`);
  await line(page, 'ready');
  await shown(page, 'web-language-harm', async () => {
    await page.getByText(/pylsp: 49\d problems/).waitFor();
    await page.locator('.cm-content').click();
    await page.keyboard.press('F8');
    await page.locator('.cm-diagnostic').getByText('<script>').first().waitFor();
    await unharmed(page, seen);
    await page.keyboard.press('Control+k');
    await page.keyboard.press('Control+i');
    await page.locator('.cm-tooltip.cm-said').getByText('<script>').first().waitFor();
    await unharmed(page, seen);
    await page.keyboard.press('F12');
    await page.getByText('No definition was found.').waitFor();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('print(');
    await page.locator('.cm-lsp-signature').getByText('<script>').waitFor();
    await page.keyboard.type('pri');
    await page.locator('.cm-completionLabel').first().waitFor();
    await page.locator('.cm-completionInfo').getByText('<script>').first().waitFor();
    await unharmed(page, seen);
  });
  await server.write(session.id, 'gibberish', '');
  await listened(page);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Home');
  await page.keyboard.press('Control+k');
  await page.keyboard.press('Control+i');
  await heard(page, 'waiting');
  await unharmed(page, seen);
  const written = await eventually('what is typed is saved', async () => {
    const text = await server.text(`/sessions/${session.id}/files/main.py`);
    return text.includes('pri)') && text;
  });
  assert.equal(written, 'print(1)\nprint(pri)');
  await page.close();
});
