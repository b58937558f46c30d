// The server goes away: what a page says that is opened then, what is kept for it, and what is not.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, shown } from './browser.mjs';
import { hindrances, named, signedIn, webPage, workspace } from './web.mjs';
import { browser, server } from './world.mjs';

const AWAY = 'The server does not answer';

/** Once the worker stands between this page's address and the server. */
const guarded = (page) => eventually('the worker stands', () => page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.active?.state === 'activated'));

/** All that is kept for when the server is away, by its path. */
const kept = (page) =>
  page.evaluate(async () => {
    const all = {};
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const { url } of await cache.keys()) all[new URL(url).pathname] = await (await cache.match(url)).text();
    }
    return all;
  });

async function write(page, text) {
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
}

test('a page opened while the server is away says so in its reader’s language, shows what is not saved, and goes on by itself', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'a = 1\n');
  const main = `/sessions/${session.id}/files/main.py`;
  await guarded(page);
  const files = await kept(page);
  assert.deepEqual(Object.keys(files).map((path) => path.replace(/-[\w-]+\./, '-HASH.')).sort(), ['/offline.html', '/offline/madang.svg', '/offline/page-HASH.css', '/offline/page-HASH.js']);
  assert.doesNotMatch(JSON.stringify(files), new RegExp(`administrator|${session.id}|ses_|usr_`), 'nothing of anybody');
  await server.kill();
  await write(page, 'b = "typed while it was away"\n');
  await page.getByText('Not saved; kept in this browser').waitFor();
  const tab = await page.context().newPage();
  await shown(tab, 'web-away', async () => {
    await tab.goto(`${server.url}/w/${session.id}`);
    await named(tab, 'heading', AWAY).waitFor();
    await tab.getByText('b = "typed while it was away"').waitFor();
    await tab.getByText('No answer yet.').waitFor();
    assert.deepEqual(await hindrances(tab), []);
  });
  // What is no page of ours is the browser's own affair.
  for (const path of ['/api/v1/version', '/healthz', '/metrics', '/elsewhere']) await assert.rejects(tab.goto(`${server.url}${path}`), /ERR_CONNECTION_REFUSED/, path);
  await tab.setViewportSize({ width: 390, height: 780 });
  await page.evaluate(() => localStorage.setItem('madang.settings', JSON.stringify({ theme: 'dark', locale: 'ko' })));
  await shown(tab, 'web-away-dark-ko-390', async () => {
    await tab.goto(`${server.url}/w/${session.id}`);
    await named(tab, 'heading', '서버가 응답하지 않습니다').waitFor();
    assert.deepEqual(await tab.evaluate(() => [document.documentElement.lang, document.documentElement.dataset.theme, document.documentElement.scrollWidth <= innerWidth]), ['ko', 'dark', true]);
    assert.deepEqual(await hindrances(tab), []);
  });
  await page.evaluate(() => localStorage.setItem('madang.settings', JSON.stringify({ theme: 'light', locale: 'en' })));
  await page.close({ runBeforeUnload: false });
  await server.restart();
  await tab.locator('.cm-content').getByText('typed while it was away').waitFor();
  assert.equal(new URL(tab.url()).pathname, `/w/${session.id}`);
  await eventually('the server has got it', async () => (await server.text(main)) === 'b = "typed while it was away"\n');
  // A draft that stays, since somebody else wrote the same file, is shown to nobody after its writer has signed out.
  await tab.setViewportSize({ width: 1280, height: 800 });
  await tab.reload();
  await tab.locator('.cm-content').getByText('typed while it was away').waitFor();
  await server.write(session.id, 'main.py', 'c = 3\n');
  await write(tab, 'd = "a secret draft"\n');
  await tab.getByText('main.py was changed elsewhere while you were typing.').waitFor();
  tab.on('dialog', (dialog) => dialog.accept());
  await tab.goto(`${server.url}/settings/profile`);
  await named(tab, 'button', 'Account of administrator').click();
  await named(tab, 'menuitem', 'Sign out').click();
  await named(tab, 'heading', 'Sign in').waitFor();
  assert.match(await tab.evaluate(() => JSON.stringify(localStorage)), /a secret draft/);
  assert.deepEqual(await kept(tab), files);
  await server.kill();
  await tab.goto(`${server.url}/`);
  await named(tab, 'heading', AWAY).waitFor();
  assert.equal(await tab.getByText('a secret draft').count(), 0);
  assert.equal(await tab.getByText('Not saved yet').isVisible(), false);
  await server.restart();
  await named(tab, 'heading', 'Sign in').waitFor();
  await tab.context().close();
});

test('a file that cannot be read while the server is away is read once it is back', async () => {
  const page = await signedIn(browser, server);
  const session = await workspace(page, server, 'a = 1\n');
  await server.write(session.id, 'other.py', 'other = 2\n');
  await named(page, 'row', 'other.py').waitFor();
  await server.kill();
  await named(page, 'row', 'other.py').click();
  // The list of files may say it, too.
  const code = page.getByRole('region', { name: 'Code', exact: true });
  await code.getByText('The server does not answer.', { exact: true }).waitFor();
  await named(code, 'button', 'Try again').click();
  await code.getByText('The server does not answer.', { exact: true }).waitFor();
  await server.restart();
  await page.locator('.cm-content').getByText('other = 2').waitFor();
  await page.context().close();
});

/** Stands before the server as if it were one of another build; each change of an answer by its path. */
async function builds() {
  const all = { changes: {}, isAway: false };
  const front = createServer((asked, answer) => {
    if (all.isAway) return asked.socket.destroy();
    const change = all.changes[asked.url] ?? (asked.headers.accept?.includes('text/html') ? all.changes.page : undefined);
    const onward = request(`${server.url}${asked.url}`, { method: asked.method, headers: { ...asked.headers, host: new URL(server.url).host, 'accept-encoding': 'identity' } }, async (from) => {
      const chunks = [];
      for await (const chunk of from) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      const { 'content-length': _, 'transfer-encoding': __, ...headers } = from.headers;
      answer.writeHead(from.statusCode, headers).end(change ? change(body.toString()) : body);
    });
    asked.pipe(onward);
    onward.on('error', () => asked.socket.destroy());
  });
  await new Promise((ready) => front.listen(0, '127.0.0.1', ready));
  return Object.assign(all, { url: `http://127.0.0.1:${front.address().port}`, close: () => { front.closeAllConnections(); front.close(); } });
}

test('after a new build the next load is the new one, and a worker goes where the server has none', async () => {
  const front = await builds();
  const page = await webPage(browser);
  await page.goto(`${front.url}/signin`);
  await guarded(page);
  await page.reload();
  assert.equal(await page.evaluate(() => navigator.serviceWorker.controller !== null), true);
  front.changes = {
    page: (text) => text.replace('content="Write programs', 'content="Built anew: write programs'),
    '/offline.html': (text) => text.replace('<title>Madang', '<title>Away, built anew'),
    '/worker.js': (text) => `${text}// another\n`,
  };
  await page.goto(`${front.url}/signin`);
  assert.match(await page.locator('meta[name=description]').getAttribute('content'), /^Built anew/);
  await eventually('what is shown when it is away is new', async () => /Away, built anew/.test((await kept(page))['/offline.html']));
  front.isAway = true;
  await page.goto(`${front.url}/signin`);
  assert.equal(await page.title(), 'Away, built anew');
  await named(page, 'heading', AWAY).waitFor();
  front.isAway = false;
  await named(page, 'heading', 'Sign in').waitFor();
  const gone = await readFile(join(process.env.MADANG_SOURCE, 'crates/control/src/http/page/no_worker.js'), 'utf8');
  front.changes = { '/worker.js': () => gone };
  await page.evaluate(async () => { await (await navigator.serviceWorker.ready).update(); });
  await eventually('it is gone, and what it kept', async () => page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length === 0 && (await caches.keys()).length === 0));
  front.isAway = true;
  await assert.rejects(page.goto(`${front.url}/signin`), /ERR_/);
  await page.context().close();
  front.close();
});
