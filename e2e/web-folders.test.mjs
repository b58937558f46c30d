// Folders, as their owner keeps and shares them, and as somebody else finds them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shown } from './browser.mjs';
import { hindrances, lookedAt, named, signedIn, signedInAs } from './web.mjs';
import { browser, server } from './world.mjs';

const choose = async (page, of, what) => {
  await named(page, 'button', `More for “${of}”`).click();
  await named(page, 'menuitem', what).click();
};

test('a folder is made, filled, found, shared, mounted, kept while it is mounted, brought to the trash, restored and removed', async () => {
  const page = await signedIn(browser, server);
  const theirs = await signedInAs(browser, server, 'grace');
  const rows = (of, name) => of.getByRole('row').filter({ hasText: name });
  await shown(page, 'folders-files', async () => {
    await page.goto(`${server.url}/folders`);
    await page.getByText(/No folders yet/).waitFor();
    await named(page, 'button', 'New folder').click();
    await page.getByRole('dialog').getByLabel('Name').fill('no/folder');
    await named(page, 'button', 'Make it').click();
    await page.getByRole('alert').waitFor();
    await page.getByRole('dialog').getByLabel('Name').fill('data');
    await named(page, 'button', 'Make it').click();
    await named(page, 'heading', 'data').waitFor();
    await named(page, 'button', 'New folder').click();
    await page.getByRole('dialog').getByLabel('Name').fill('한글 #1');
    await named(page, 'button', 'Make it').click();
    await named(page, 'button', '한글 #1').click();
    // Larger than one part of an upload, so that it goes in several.
    const large = Buffer.alloc(9 * 1024 * 1024, 'madang ');
    await page.getByTestId('upload').setInputFiles([{ name: 'large.bin', mimeType: 'application/octet-stream', buffer: large }, { name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from('x\n1\n') }]);
    await rows(page, 'large.bin').getByText('9 MiB').waitFor();
    await rows(page, 'a.csv').getByText('4 B').waitFor();
    await page.getByTestId('upload').setInputFiles([{ name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from('x\n1\n2\n') }]);
    await page.getByText('This file is there already and is lost: a.csv').waitFor();
    await named(page, 'button', 'Replace').click();
    await rows(page, 'a.csv').getByText('6 B').waitFor();
    await choose(page, 'a.csv', 'Rename or move…');
    await page.getByLabel('New path, from the top of the folder').fill('b 100%.csv');
    await named(page, 'button', 'Rename').click();
    await rows(page, 'a.csv').waitFor({ state: 'detached' });
    await page.getByLabel('Find a name in it').fill('*.bin');
    await named(page, 'button', '한글 #1/large.bin').waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), named(page, 'button', '한글 #1/large.bin').click()]);
    const bytes = [];
    for await (const part of await download.createReadStream()) bytes.push(part);
    assert.equal(Buffer.concat(bytes).equals(large), true, 'what comes back is what was sent');
    await named(page, 'button', 'Top of the folder').click();
    await named(page, 'button', 'b 100%.csv').waitFor();
    assert.deepEqual(await hindrances(page), []);
  });
  await shown(theirs, 'folders-invited', async () => {
    await named(page, 'button', 'Invite somebody').click();
    await page.getByRole('dialog').getByLabel('Who', { exact: true }).selectOption('grace');
    await page.getByRole('dialog').getByLabel('They may').selectOption('write');
    await named(page, 'button', 'Share').click();
    await page.getByText('invited, not answered yet').waitFor();
    await theirs.goto(`${server.url}/folders`);
    await theirs.getByText('administrator invites you to the folder “data”. You may read and write.').waitFor();
    assert.deepEqual(await hindrances(theirs), []);
    await named(theirs, 'button', 'Accept').click();
    await named(theirs, 'link', 'data').click();
    await named(theirs, 'button', 'b 100%.csv').waitFor();
    assert.equal(await named(theirs, 'button', 'To the trash…').count(), 0, 'what is somebody else’s is not theirs to remove');
    await named(theirs, 'button', 'Open in a new workspace').click();
    await theirs.getByRole('dialog').getByRole('button', { name: /^Python/ }).click();
    await theirs.locator('.cm-content').waitFor();
    // Its session is ended under this page later; a server that begins then is refused.
    await theirs.locator('[data-service=ready]').waitFor();
  });
  const { items: [session] } = await server.api('GET', '/sessions?filter=live');
  assert.deepEqual(session.mounts.map(({ name, access }) => [name, access]), [['data', 'read-write']]);
  await shown(page, 'folders-trash', async () => {
    await named(page, 'button', 'To the trash…').click();
    await page.getByText('1 share is of no use meanwhile: grace.').waitFor();
    await named(page, 'button', 'Bring it to the trash').click();
    await page.getByRole('alert').getByText(new RegExp(`mounted in the session .*${session.name}.* of grace`)).waitFor();
    await server.api('DELETE', `/sessions/${session.id}`);
    await eventually('its session has ended', async () => (await server.api('GET', `/sessions/${session.id}`)).state === 'ended');
    await named(page, 'button', 'Bring it to the trash').click();
    await page.getByText(/No folders yet/).waitFor();
    await named(page, 'link', 'Trash').click();
    await named(page, 'button', 'Restore').click();
    await page.getByText(/The trash is empty/).waitFor();
    await named(page, 'link', 'Folders').first().click();
    await named(page, 'link', 'data').click();
    await named(page, 'button', 'b 100%.csv').waitFor();
    await named(page, 'button', 'To the trash…').click();
    await named(page, 'button', 'Bring it to the trash').click();
    await named(page, 'link', 'Trash').click();
    await named(page, 'button', 'Remove for good…').click();
    await page.getByText(/This cannot be taken back/).waitFor();
    await named(page, 'button', 'Remove for good').click();
    await page.getByText(/The trash is empty/).waitFor();
  });
  const { items } = await server.api('GET', '/folders');
  assert.deepEqual(items, []);
  // Their session is ended under their page, which may just be asking for its language server.
  assert.deepEqual([...page.complaints, ...theirs.complaints].filter((text) => !/status of 4\d\d/.test(text)), []);
  await theirs.close();
  await page.close();
});

test('every page of folders hinders nobody, in any look', async () => {
  const page = await signedIn(browser, server);
  const { id } = await server.api('POST', '/folders', { name: 'measurements', mode: 'data' });
  const { id: old } = await server.api('POST', '/folders', { name: 'old' });
  await server.api('DELETE', `/folders/${old}`);
  const { url, ticket } = await server.api('POST', `/folders/${id}/tickets`, { may: 'write' });
  for (const path of ['2026/january.csv', 'notes.md']) await fetch(`${server.url}${url}${url.endsWith('/') ? '' : '/'}files/${path}?parents`, { method: 'PUT', body: 'x', headers: { authorization: `Bearer ${ticket}` } });
  await lookedAt(page, server, { folders: '/folders', 'folders-trashed': '/folders?trash=true', folder: `/folders/${id}` });
  await page.close();
});
