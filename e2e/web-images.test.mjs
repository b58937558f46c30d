// Images, as somebody makes one of a session, shares it and removes it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shown } from './browser.mjs';
import { hindrances, lookedAt, named, signedIn, signedInAs } from './web.mjs';
import { browser, server } from './world.mjs';

const row = (page, text) => page.getByRole('row').filter({ hasText: text });
const choose = async (page, name, what) => {
  await named(page, 'button', `More for ${name}`).click();
  await named(page, 'menuitem', what).click();
};

test('an image is made of a session but not of its secrets, shared with a project, renamed, downloaded, and removed once nobody uses it', async () => {
  const page = await signedIn(browser, server);
  const session = await server.api('POST', '/sessions', { language: 'python', name: 'lab' });
  await server.write(session.id, 'lesson.py', 'print(42)\n');
  await server.write(session.id, '.netrc', 'machine example.org login ada password secret\n');
  await shown(page, 'images-commit', async () => {
    await page.goto(`${server.url}/images`);
    await page.getByText(/No image was made of a session yet/).waitFor();
    await page.goto(`${server.url}/sessions/${session.id}`);
    await named(page, 'button', 'Make an image of it…').click();
    await page.getByLabel('Name of the image').fill('lesson-1');
    await named(page, 'button', 'Make the image').click();
    await page.getByRole('alert').getByText(/\.netrc/).waitFor();
    assert.deepEqual(await hindrances(page), []);
    await page.getByLabel('Take files that look like passwords and keys as well').check();
    await named(page, 'button', 'Make the image').click();
    await page.getByText('1 file that looks like a secret is in it:').waitFor();
    await named(page, 'link', 'To the images').click();
  });
  const theirs = await signedInAs(browser, server, 'grace');
  await shown(page, 'images-made', async () => {
    await row(page, 'lesson-1').getByText('mine').waitFor();
    await choose(page, 'lesson-1', 'Share with its project');
    await row(page, 'lesson-1').getByText('mine, shared with default').waitFor();
    await theirs.goto(`${server.url}/images`);
    await row(theirs, 'lesson-1').waitFor();
    await named(theirs, 'button', 'More for lesson-1').click();
    await theirs.getByRole('menuitem').first().waitFor();
    assert.deepEqual(await theirs.getByRole('menuitem').allTextContents(), ['Open in a new workspace', 'Download as an OCI archive'], 'what is somebody else’s is not theirs to change');
    await choose(page, 'lesson-1', 'Rename…');
    await page.getByRole('dialog').getByLabel('Name').fill('lesson-2');
    await named(page, 'button', 'Rename').click();
    await row(page, 'lesson-2').waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), choose(page, 'lesson-2', 'Download as an OCI archive')]);
    assert.match(download.suggestedFilename(), /\.tar$/);
    await choose(page, 'lesson-2', 'Bring it to every node');
    await page.getByText('It is on 1 node.').waitFor();
  });
  await theirs.reload();
  await shown(theirs, 'images-use', async () => {
    await choose(theirs, 'lesson-2', 'Open in a new workspace');
    assert.deepEqual(await hindrances(theirs), []);
    await theirs.getByRole('dialog').getByRole('button', { name: /^Python/ }).click();
    await theirs.getByText('lesson.py').first().waitFor();
  });
  const { items: [made] } = await server.api('GET', '/sessions?filter=live%20owner:grace');
  const { stdout } = await server.api('POST', `/sessions/${made.id}/runs`, { mode: 'command', argv: ['cat', 'lesson.py'], wait: true });
  assert.equal(stdout, 'print(42)\n');
  await shown(page, 'images-remove', async () => {
    await page.reload();
    await choose(page, 'lesson-2', 'Remove…');
    await page.getByText('1 live session is made of it, and has to end first:').waitFor();
    await named(page, 'button', 'Remove it').click();
    await page.getByRole('alert').waitFor();
    await named(page, 'link', 'see which').click();
    await row(page, made.name).waitFor();
    await server.api('DELETE', `/sessions/${made.id}`);
    await eventually('its session has ended', async () => (await server.api('GET', `/sessions/${made.id}`)).state === 'ended');
    await page.goto(`${server.url}/images`);
    await choose(page, 'lesson-2', 'Remove…');
    await named(page, 'button', 'Remove it').click();
    await page.getByText(/No image was made of a session yet/).waitFor();
  });
  await theirs.close();
  await page.close();
});

test('the page of images hinders nobody, in any look', async () => {
  const page = await signedIn(browser, server);
  const session = await server.api('POST', '/sessions', { language: 'python', name: 'numpy' });
  await server.write(session.id, 'lesson.py', 'print(42)\n');
  await server.api('POST', `/sessions/${session.id}/commit`, { name: 'numpy-2' });
  await lookedAt(page, server, { images: '/images' });
  await page.close();
});
