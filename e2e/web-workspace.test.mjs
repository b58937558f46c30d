// A workspace at work: input and interrupts, files, terminals, a server that goes away, and programs that mean harm.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shown } from './browser.mjs';
import { ESCAPES, MARKS, SVG, unharmed, watched } from './harm.mjs';
import { editable, named, signedIn, workspace } from './web.mjs';
import { browser, server } from './world.mjs';

const output = (page) => named(page, 'log', 'Output');

async function replaceText(page, text) {
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
}

test('a program asks and is answered, and another is stopped', async () => {
  const page = await signedIn(browser, server);
  await workspace(page, server, 'name = input("Who? ")\nprint("hello", name)\n');
  await shown(page, 'web-input', async () => {
    await named(page, 'button', 'Run').click();
    await page.getByLabel('Who?').fill('Ada');
    await page.keyboard.press('Enter');
    await output(page).getByText('hello Ada').waitFor();
    await output(page).getByText('Who?').waitFor();
    await output(page).getByText('Done').waitFor();
    await replaceText(page, 'print("on and on", flush=True)\nwhile True:\n    pass\n');
    await named(page, 'button', 'Run').click();
    await output(page).getByText('on and on').waitFor();
    await named(page, 'button', 'Stop').click();
    await named(page, 'button', 'Run').waitFor();
    await output(page).getByText('KeyboardInterrupt').first().waitFor();
    await output(page).getByText('Stopped').waitFor();
  });
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('files are made, renamed, brought, taken and deleted', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'print(1)\n');
  const row = (name) => page.getByRole('row', { name, exact: true });
  const inMenu = async (name, act) => {
    await row(name).hover();
    await named(page, 'button', `More for “${name}”`).click();
    await named(page, 'menuitem', act).click();
  };
  await shown(page, 'web-files', async () => {
    await named(page, 'button', 'New folder').click();
    await page.getByRole('dialog').getByLabel('Name').fill('자료');
    await page.keyboard.press('Enter');
    await row('자료').click();
    await named(page, 'button', 'New file').click();
    await page.getByText('In the folder 자료').waitFor();
    await page.getByRole('dialog').getByLabel('Name').fill('notes.py');
    await page.keyboard.press('Enter');
    await row('notes.py').waitFor();
    await editable(page, 'notes.py');
    await replaceText(page, 'x = 1\n');
    await eventually('what is typed is saved', async () => (await server.text(`/sessions/${session.id}/files/자료/notes.py`)) === 'x = 1\n');
    await inMenu('notes.py', 'Rename');
    await page.getByRole('dialog').getByLabel('Name').fill('renamed.py');
    await page.keyboard.press('Enter');
    await row('renamed.py').waitFor();
    assert.equal(await server.text(`/sessions/${session.id}/files/자료/renamed.py`), 'x = 1\n');
    await row('main.py').click();
    await page.locator('input[type=file][multiple]').setInputFiles({ name: 'brought.bin', mimeType: 'x/y', buffer: Buffer.from([0, 255, 1]) });
    await row('brought.bin').click();
    await page.getByText('This file is not text.').waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), inMenu('brought.bin', 'Download')]);
    assert.equal(download.suggestedFilename(), 'brought.bin');
    await inMenu('brought.bin', 'Delete');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await row('brought.bin').waitFor({ state: 'detached' });
    await assert.rejects(server.text(`/sessions/${session.id}/files/brought.bin`), /404/);
  });
  await page.close();
});

test('nothing typed is lost while the server is away, over a reload, or where a program writes the same file', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'a = 1\n');
  const main = `/sessions/${session.id}/files/main.py`;
  await shown(page, 'web-offline', async () => {
    await page.context().setOffline(true);
    await replaceText(page, 'b = 2\n');
    await page.getByText('Not saved; kept in this browser').waitFor();
    assert.equal(await server.text(main), 'a = 1\n');
    await page.context().setOffline(false);
    await page.getByText('Saved', { exact: true }).waitFor();
    assert.equal(await server.text(main), 'b = 2\n');
    await page.context().setOffline(true);
    await replaceText(page, 'c = 3\n');
    await page.waitForTimeout(300);
    await page.context().setOffline(false);
    page.on('dialog', (dialog) => dialog.accept());
    await page.reload();
    await page.locator('.cm-content').getByText('c = 3').waitFor();
    await eventually('the next page saves what the last one could not', async () => (await server.text(main)) === 'c = 3\n');
    await page.getByText('Saved', { exact: true }).waitFor();
    await server.write(session.id, 'main.py', 'd = 4\n');
    await replaceText(page, 'e = 5\n');
    await page.getByText('main.py was changed elsewhere while you were typing.').waitFor();
    assert.equal(await server.text(main), 'd = 4\n');
    await named(page, 'button', 'Keep mine').click();
    await page.getByText('Saved', { exact: true }).waitFor();
    assert.equal(await server.text(main), 'e = 5\n');
  });
  await page.close();
});

test('two tabs that write the same file at the same time overwrite nothing of one another unseen', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'start\n');
  const [other] = await Promise.all([page.waitForEvent('popup'), page.evaluate(() => void window.open(location.href))]);
  await other.locator('.cm-content').getByText('start').waitFor();
  for (let round = 0; round < 5; round += 1) {
    const before = await server.text(`/sessions/${session.id}/files/main.py`);
    // Neither is saved before both are typed: a tab that hears of the other's text in time has nothing to ask.
    await page.context().setOffline(true);
    await Promise.all([replaceText(page, `one ${round}\n`), replaceText(other, `two ${round}\n`)]);
    await page.context().setOffline(false);
    const asks = (tab) => tab.getByText('main.py was changed elsewhere while you were typing.').isVisible();
    const loser = await eventually('one of them is asked', async () => ((await asks(page)) ? page : (await asks(other)) ? other : null));
    const winner = loser === page ? other : page;
    assert.equal(await server.text(`/sessions/${session.id}/files/main.py`), winner === page ? `one ${round}\n` : `two ${round}\n`, before);
    await loser.locator('.cm-content').getByText(loser === page ? `one ${round}` : `two ${round}`).waitFor();
    await named(loser, 'button', 'Take the other').click();
    await loser.getByText('Saved', { exact: true }).waitFor();
    await winner.getByText('Saved', { exact: true }).waitFor();
  }
  await other.close();
  await page.close();
});

test('a terminal is a shell in the workspace, and F6 leaves it', async () => {
  const page = await signedIn(browser, server);
  await workspace(page, server, 'print(1)\n');
  await shown(page, 'web-terminal', async () => {
    await named(page, 'button', 'Terminal').first().click();
    await page.locator('.xterm-helper-textarea:focus').waitFor();
    await page.locator('.xterm-rows').getByText('$').first().waitFor();
    await page.keyboard.type('echo $((6 * 7)); printf "\\033[38;2;255;100;0mcolour\\033[0m\\n"; touch made-here\n');
    await page.locator('.xterm-rows').getByText('42', { exact: true }).waitFor();
    await named(page, 'row', 'made-here').waitFor();
    const colour = await page.locator('.xterm-rows span', { hasText: /^colour$/ }).evaluate((letters) => getComputedStyle(letters).color);
    assert.equal(colour, 'rgb(255, 100, 0)');
    await page.keyboard.press('F6');
    assert.equal(await page.evaluate(() => document.activeElement?.closest('.xterm')), null);
  });
  assert.deepEqual(page.complaints, []);
  await page.close();
});

// Prints, draws and names all of it; each line of MARKS is a file, an output and a name.
const HARM = `
import json, sys
book = json.load(open("harm.json"))
marks, svg, escapes = book["marks"], book["svg"], book["escapes"]
def Rich(**rich):
    return type("Rich", (), {f"_repr_{kind}_": (lambda self, what=what: what) for kind, what in rich.items()})()
print("\\n".join(marks))
print(escapes)
for mark in marks:
    sys.displayhook(Rich(html=mark))
sys.displayhook(Rich(svg=svg))
sys.displayhook(Rich(png=svg.encode()))
sys.displayhook(Rich(markdown=marks[0], latex=marks[1], json={"a": marks[2]}))
for name in book["names"]:
    with open(name, "w") as file:
        file.write(svg if name.endswith("svg") else "\\n".join(marks))
input(marks[0] + escapes)
`;
const NAMES = ['<img src=x onerror=top.harmed=1>.py', 'a\u202egnp.exe', '\u001b[31mred.py', 'evil.html', 'evil.svg', '__proto__', 'javascript:top.harmed=2', '%2e%2e%2fup.txt', '"><script>top.harmed=3<\u2044script>.md', 'two\nlines.py'];

test('what programs print, draw, ask and name runs no script in our page, leads nowhere and does not look like it', async () => {
  const page = await signedIn(browser, server);
  const seen = await watched(page, server);
  const session = await workspace(page, server, HARM);
  await server.write(session.id, 'harm.json', JSON.stringify({ marks: MARKS, svg: SVG, escapes: ESCAPES, names: NAMES }));
  const address = (name) => `${server.url}/api/v1/sessions/${session.id}/files/${name}`;
  await shown(page, 'web-harm', async () => {
    await named(page, 'button', 'Run').click();
    await output(page).locator('iframe').nth(MARKS.length - 1).waitFor();
    await page.locator('form input').fill('x');
    await page.keyboard.press('Enter');
    await output(page).getByText('Done').waitFor();
    await named(page, 'row', 'a\ufffdgnp.exe').waitFor();
    await named(page, 'row', '\ufffd[31mred.py').waitFor();
    await named(page, 'row', '<img src=x onerror=top.harmed=1>.py').click();
    await page.locator('.cm-content').getByText('harmed').first().waitFor();
    await named(page, 'row', 'evil.svg').click();
    await page.locator('.cm-content').getByText('foreignObject').first().waitFor();
    // What stands in the output is words, pictures and frames.
    assert.deepEqual(await output(page).evaluate((log) => [...new Set([...log.querySelectorAll('*')].map(({ localName }) => localName))].filter((name) => ['script', 'svg', 'form', 'style', 'link', 'object'].includes(name))), []);
    await unharmed(page, seen);
  });
  await named(page, 'button', 'Terminal').first().click();
  await page.locator('.xterm-helper-textarea:focus').waitFor();
  await page.locator('.xterm-rows').getByText('$').first().waitFor();
  await page.keyboard.type('python3 -c \'import json; book = json.load(open("harm.json")); print(*book["marks"], book["escapes"])\'; echo all$((6 * 7))\n');
  await page.locator('.xterm-rows').getByText('all42').first().waitFor();
  await unharmed(page, seen);
  for (const name of ['evil.html', 'evil.svg']) {
    // A browser that is sent there keeps the bytes and shows no page.
    await assert.rejects(page.goto(address(name)), /Download is starting|ERR_ABORTED/);
  }
  await unharmed(page, seen);
  await page.close();
});
