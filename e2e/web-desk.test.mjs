// What stands around the editor: previews.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { eventually, newContext, shown } from './browser.mjs';
import { hindrances, named, signedIn, workspace } from './web.mjs';
import { browser, server } from './world.mjs';

const MAGENTA = [255, 0, 255];
const WHITE = [255, 255, 255];

/** How much of what is seen of `place` is of this colour, from 0 to 1. */
async function share(page, place, colour) {
  const png = (await place.screenshot()).toString('base64');
  return page.evaluate(async ([png, [red, green, blue]]) => {
    const picture = new Image();
    picture.src = `data:image/png;base64,${png}`;
    await picture.decode();
    const canvas = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
    canvas.drawImage(picture, 0, 0);
    const { data } = canvas.getImageData(0, 0, picture.width, picture.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) found += 1;
    return (found * 4) / data.length;
  }, [png, colour]);
}

// A page that tries to be ours: to read us, to lead us away, and to ask the API in its reader's name.
const HOSTILE = `<!doctype html><title>guest</title><body style="background:#f0f;margin:0"><h1>served here</h1><script>
  const tried = (what, act) => { try { act(); document.body.dataset[what] = 'done'; } catch { document.body.dataset[what] = 'refused'; } };
  tried('read', () => parent.document.title);
  if (top !== self) tried('lead', () => { top.location = 'http://127.0.0.1:1/'; });
  if (top !== self) fetch(location.ancestorOrigins[0] + '/api/v1/sessions', { credentials: 'include', mode: 'no-cors', method: 'POST' }).catch(() => {});
  if (top !== self) fetch(location.ancestorOrigins[0] + '/api/v1/signin', { credentials: 'include' }).then((answer) => answer.text()).then(() => { document.body.dataset.ask = 'done'; }, () => { document.body.dataset.ask = 'refused'; });
</script>`;

test('a page that a program serves is seen beside the editor, and is not ours', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'print(1)\n');
  await server.write(session.id, 'site/index.html', HOSTILE);
  const before = (await server.api('GET', '/sessions')).items.length;
  const frame = page.locator('iframe[sandbox]');
  await shown(page, 'web-preview', async () => {
    await named(page, 'button', 'Preview').first().click();
    await page.getByText('Nothing listens yet.').waitFor();
    assert.deepEqual(await hindrances(page), []);
    // It ends with its session.
    server.madang('exec', session.id, '--', 'sh', '-c', 'cd site && exec python3 -m http.server 8000').catch(() => {});
    await named(page, 'button', 'Open here: Port 8000').click();
    await page.frameLocator('iframe[sandbox]').getByText('served here').waitFor();
    await eventually('the page is seen', async () => (await share(page, frame, MAGENTA)) > 0.5);
    const guest = page.frameLocator('iframe[sandbox]').locator('body');
    await eventually('it has tried everything', async () => (await guest.getAttribute('data-ask')) !== null);
    const tried = await guest.evaluate((body) => ({ ...body.dataset, own: self.origin !== location.ancestorOrigins[0] }));
    assert.deepEqual(tried, { read: 'refused', lead: 'refused', ask: 'refused', own: true });
    assert.equal(await page.title(), `${await page.locator('h1').innerText()} · Madang`);
    assert.equal((await server.api('GET', '/sessions')).items.length, before, 'nothing was made in the reader’s name');
  });
  const address = await frame.getAttribute('src');
  const stranger = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(`<iframe src="${address}"></iframe>`));
  await new Promise((ready) => stranger.listen(0, '127.0.0.1', ready));
  const elsewhere = await page.context().newPage();
  await elsewhere.goto(`http://127.0.0.1:${stranger.address().port}/`);
  await eventually('a stranger’s frame stays empty', async () => elsewhere.frames()[1]?.url().startsWith('chrome-error:'));
  stranger.close();
  const [tab] = await Promise.all([page.context().waitForEvent('page'), page.getByRole('link', { name: 'Open in a new tab' }).click()]);
  await tab.getByText('served here').waitFor();
  assert.equal(await tab.evaluate(() => globalThis.opener), null);
  await page.context().close();
});

test('a desktop opens beside the editor and in a tab, and shows the window of a program', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'print(1)\n', 'main.py', { app: 'desktop' });
  await shown(page, 'web-desktop', async () => {
    await named(page, 'button', 'Preview').first().click();
    await named(page, 'button', 'Open here: Linux desktop').click();
    const frame = page.locator('iframe[sandbox]');
    await page.frameLocator('iframe[sandbox]').locator('canvas').first().waitFor();
    // The desktop's own terminal, which would lie over what comes before it.
    await eventually('the desktop is drawn', async () => (await share(page, frame, WHITE)) > 0.3);
    assert.ok((await share(page, frame, MAGENTA)) < 0.01);
    const window = 'DISPLAY=:1 setsid xterm -bg "#ff00ff" -geometry 80x24+20+20 >/dev/null 2>&1 </dev/null &';
    server.madang('exec', session.id, '--', 'sh', '-c', `${window} sleep 60`).catch(() => {});
    await eventually('the window is seen', async () => (await share(page, frame, MAGENTA)) > 0.05);
    await named(page, 'button', 'Close the preview').click();
    const [tab] = await Promise.all([page.context().waitForEvent('page'), named(page, 'button', 'Open Linux desktop in a new tab').click()]);
    await eventually('it is seen in the tab', async () => (await share(page, tab.locator('body'), MAGENTA)) > 0.05);
  });
  // What the desktop's own page complains of is its affair.
  assert.deepEqual(page.complaints.filter((text) => /Content Security Policy|Refused to/.test(text)), []);
  await page.context().close();
});

test('the meter counts, terminals stand side by side, and files are searched, moved and hidden', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'needle = 1\n');
  await server.write(session.id, 'part/inner.txt', 'one\nthe NEEDLE <b>here</b>\n');
  await server.write(session.id, '.hidden', '');
  const row = (name) => named(page, 'row', name);
  await shown(page, 'web-desk', async () => {
    const meter = page.getByRole('group', { name: 'What this workspace uses' });
    await meter.getByText(/^[\d.]+ [KM]iB of /).waitFor();
    await named(page, 'button', 'Terminal').first().click();
    await page.locator('.xterm-rows').getByText('$').first().waitFor();
    await page.keyboard.type('printf "\\033]0;<b>\\342\\200\\256title\\007"; while :; do :; done\n');
    await named(page, 'button', 'Shell 1: <b>\ufffdtitle').waitFor();
    await eventually('the meter sees a busy processor', async () => Number.parseInt(await meter.innerText().then((text) => /CPU\s*(\d+)/.exec(text)?.[1] ?? '0'), 10) > 20);
    await named(page, 'button', 'New terminal').click();
    await page.locator('.xterm-helper-textarea:focus').waitFor();
    await page.locator('.xterm-rows:visible').getByText('$').first().waitFor();
    await page.keyboard.type('echo second-$((20 + 2))\n');
    await page.locator('.xterm-rows:visible').getByText('second-22').waitFor();
    await named(page, 'button', 'Close shell 1: <b>\ufffdtitle').click();
    await named(page, 'button', 'Shell 1').waitFor();
    assert.equal(await row('.hidden').count(), 0);
    await named(page, 'button', 'What the list shows').click();
    await named(page, 'menuitem', 'Show hidden files').click();
    await row('.hidden').waitFor();
    await row('main.py').dragTo(row('part'));
    await eventually('it was moved', async () => (await server.text(`/sessions/${session.id}/files/part/main.py`)) === 'needle = 1\n');
    await page.locator('.cm-content').getByText('needle').waitFor();
    await named(page, 'button', 'Search in files').click();
    await page.getByRole('searchbox', { name: 'Search for' }).fill('needle');
    await named(page, 'button', 'Contents').click();
    await page.getByText('2 found.').waitFor();
    await page.getByText('the NEEDLE <b>here</b>').waitFor();
    assert.deepEqual(await hindrances(page), []);
    await page.getByRole('button', { name: /part\/inner\.txt:2/ }).click();
    await page.locator('.cm-activeLine').getByText('NEEDLE').waitFor();
  });
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('everything is done by a command, every key is told, and a phone has keys for code', async () => {
  const page = await signedIn(browser, server);
  await workspace(page, server, 'print("from the palette")\n');
  await shown(page, 'web-palette', async () => {
    await page.keyboard.press('F1');
    // It is loaded when it is asked for; what is typed before is the editor's.
    await page.getByRole('dialog', { name: 'Commands' }).getByRole('searchbox').and(page.locator(':focus')).waitFor();
    await page.keyboard.type('run here');
    await page.keyboard.press('Enter');
    await page.getByRole('log').getByText('from the palette').waitFor();
    await page.getByRole('log').focus();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).getByText('Next part of the workspace').waitFor();
    assert.deepEqual(await hindrances(page), []);
    await page.keyboard.press('Escape');
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+Shift+P');
    await page.getByRole('dialog', { name: 'Commands' }).waitFor();
    assert.deepEqual(await hindrances(page), []);
  });
  const context = await newContext(browser, { viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true, storageState: await page.context().storageState() });
  const phone = await context.newPage();
  await shown(phone, 'web-phone-keys', async () => {
    await phone.goto(page.url());
    await phone.locator('.cm-content[contenteditable=true]').tap();
    await phone.keyboard.press('Control+a');
    await phone.keyboard.insertText('x');
    await phone.getByRole('button', { name: '(', exact: true }).tap();
    await phone.getByRole('button', { name: '"', exact: true }).tap();
    await phone.locator('.cm-content').getByText('x("")').waitFor();
    await named(phone, 'button', 'Undo').tap();
    await phone.locator('.cm-content').getByText('x("")').waitFor({ state: 'detached' });
    assert.deepEqual(await hindrances(phone), []);
  });
  assert.deepEqual(page.complaints, []);
  await context.close();
  await page.context().close();
});

test('runs are found again, seen side by side, and one is shown to a stranger until it is taken back', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'print("<b>first</b>")\n');
  await shown(page, 'web-history', async () => {
    await named(page, 'button', 'Run').click();
    await page.getByRole('log').getByText('Done').waitFor();
    const inputs = { mode: 'batch', files: [{ path: 'main.py', content: 'print(int(input()) * 2)\n' }], inputs: ['21\n', 'x\n'] };
    await server.api('POST', `/sessions/${session.id}/runs`, inputs);
    await named(page, 'button', 'History').first().click();
    const list = page.getByRole('list', { name: 'History' });
    await list.getByRole('button', { name: /print\("<b>first<\/b>"\)/ }).click();
    await list.getByRole('button', { name: /main\.py/ }).click();
    await page.getByRole('region', { name: 'Each input with its output' }).getByRole('row', { name: /21.*42.*Done/ }).waitFor();
    await page.getByRole('region', { name: 'Each input with its output' }).getByRole('row', { name: /ValueError.*Failed/ }).waitFor();
    assert.equal(await page.getByRole('article').count(), 2);
    assert.deepEqual(await hindrances(page), []);
  });
  const first = page.getByRole('article', { name: 'print("<b>first</b>")' });
  await named(first, 'button', 'Share…').click();
  await named(page, 'button', 'Make a link').click();
  const link = await page.getByRole('textbox', { name: 'Link' }).inputValue();
  const context = await newContext(browser, { viewport: { width: 1100, height: 700 } });
  const stranger = await context.newPage();
  const asked = [];
  stranger.on('request', (request) => asked.push(request.url()));
  await shown(stranger, 'web-shared', async () => {
    await stranger.goto(link);
    await stranger.getByText('<b>first</b>', { exact: true }).waitFor();
    await stranger.getByText('Done').waitFor();
    assert.deepEqual(await hindrances(stranger), []);
    const secret = new URL(link).hash.slice(1);
    assert.deepEqual(asked.filter((url) => !url.includes('#') && url.includes(secret)), [], 'the secret stands in no address that is asked for');
    assert.deepEqual(asked.filter((url) => url.includes('/api/')).map((url) => new URL(url).pathname), ['/api/v1/shared-run']);
  });
  await named(page, 'button', 'Take back').click();
  await page.getByRole('list', { name: 'Links that are good now' }).waitFor({ state: 'detached' });
  await stranger.reload();
  await stranger.getByText('This link was taken back, has expired, or never was.').waitFor();
  assert.deepEqual(page.complaints, []);
  await context.close();
  await page.context().close();
});
