// What somebody sets for themselves: keys, browsers, dotfiles, the password.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, shown } from './browser.mjs';
import { hindrances, lookedAt, named, PASSWORD, signedIn, signedInAs, webPage } from './web.mjs';
import { browser, server } from './world.mjs';

const status = async (headers) => (await fetch(`${server.url}/api/v1/me`, { headers })).status;
const row = (page, text) => page.getByRole('row').filter({ hasText: text });

test('somebody makes and revokes a token, an access key and an SSH key, has dotfiles in a session, signs out another browser and changes the password', async () => {
  const page = await signedInAs(browser, server, 'ada');
  await shown(page, 'settings-keys', async () => {
    await named(page, 'button', 'Account of ada').click();
    await named(page, 'menuitem', 'Settings').click();
    await named(page, 'link', 'Tokens and keys').click();
    await named(page, 'button', 'New token').click();
    await page.getByLabel('What it is for').fill('ci');
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', 'Make the token').click();
    const secret = await page.getByRole('dialog').locator('code').textContent();
    assert.equal(await status({ authorization: `Bearer ${secret}` }), 200);
    await named(page, 'button', 'Done').click();
    assert.equal((await page.content()).includes(secret), false, 'it is shown once');
    await named(page, 'button', 'Revoke… ci').click();
    await page.getByText('Whatever signs in with it is refused from now on.').waitFor();
    await named(page, 'button', 'Revoke').click();
    await page.getByText('No tokens yet.').waitFor();
    assert.equal(await status({ authorization: `Bearer ${secret}` }), 401);
    await named(page, 'button', 'New access key').click();
    await page.getByLabel('What it is for').fill('laptop');
    await named(page, 'button', 'Make the key').click();
    const pair = Object.fromEntries((await page.getByRole('dialog').locator('code').textContent()).split('\n').map((line) => line.split('=')));
    await named(page, 'button', 'Done').click();
    const whoever = () => execFileSync(process.env.MADANG, ['lang', 'ls'], { env: { PATH: process.env.PATH, HOME: '/nonexistent', MADANG_ENDPOINT: server.url, ...pair }, stdio: 'pipe' }).toString();
    assert.match(whoever(), /python/);
    await named(page, 'button', 'More for laptop').click();
    await named(page, 'menuitem', 'Suspend').click();
    await row(page, 'laptop').getByText('suspended').waitFor();
    assert.throws(whoever, /Command failed/);
  });
  const keys = mkdtempSync(join(tmpdir(), 'madang-e2e-ssh-'));
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ada@desk', '-f', join(keys, 'key')]);
  const fingerprint = execFileSync('ssh-keygen', ['-l', '-f', join(keys, 'key.pub')]).toString().split(' ')[1];
  await shown(page, 'settings-ssh', async () => {
    await named(page, 'link', 'SSH keys').click();
    await named(page, 'button', 'Add an SSH key').click();
    await page.getByLabel('Public key, one line').fill('ssh-ed25519 nonsense');
    await named(page, 'button', 'Add it').click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Public key, one line').fill(readFileSync(join(keys, 'key.pub'), 'utf8').trim());
    await named(page, 'button', 'Add it').click();
    await row(page, 'ada@desk').getByText(fingerprint).waitFor();
    await named(page, 'button', 'Remove… ada@desk').click();
    await named(page, 'button', 'Forget it').click();
    await page.getByText(/No SSH keys yet/).waitFor();
  });
  await shown(page, 'settings-dotfiles', async () => {
    await named(page, 'link', 'Dotfiles').click();
    await named(page, 'button', 'Make a dot folder').click();
    await named(page, 'button', 'Make it').click();
    await named(page, 'heading', '.config').waitFor();
    await page.goto(`${server.url}/`);
    await named(page, 'button', 'Begin with Python').click();
    await page.locator('.cm-content').waitFor();
    const { items: [session] } = await server.api('GET', '/sessions?filter=live');
    const { stdout } = await server.api('POST', `/sessions/${session.id}/runs`, { mode: 'batch', code: 'import os\nprint(os.path.ismount(os.path.expanduser("~/.config")))', wait: true });
    assert.equal(stdout, 'True\n');
  });
  rmSync(keys, { recursive: true });
  const other = await webPage(browser);
  await other.goto(`${server.url}/`);
  await other.getByLabel('Name').fill('ada');
  await other.getByLabel('Password').fill(PASSWORD);
  await named(other, 'button', 'Sign in').click();
  await named(other, 'heading', 'Workspaces').waitFor();
  await shown(page, 'settings-browsers', async () => {
    await page.goto(`${server.url}/settings/browsers`);
    await page.getByText('this one').waitFor();
    await named(page, 'button', 'Sign out Chrome, Linux').click();
    await named(other, 'heading', 'Sign in').waitFor();
  });
  await shown(page, 'settings-password', async () => {
    await named(page, 'link', 'Profile').click();
    await page.getByLabel('Present password').fill('not this one');
    await page.getByLabel('New password').fill(`another ${PASSWORD}`);
    await named(page, 'button', 'Change the password').click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Present password').fill(PASSWORD);
    await page.getByLabel('New password').fill(`another ${PASSWORD}`);
    await named(page, 'button', 'Change the password').click();
    await page.getByText('Your password is changed, and this browser is signed in with it.').waitFor();
    await page.getByRole('combobox', { name: 'Theme' }).selectOption('dark');
    assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), 'dark');
  });
  await eventually('the new password signs in', async () => (await fetch(`${server.url}/api/v1/signin`, { method: 'POST', headers: { 'content-type': 'application/json', origin: server.url }, body: JSON.stringify({ name: 'ada', password: `another ${PASSWORD}` }) })).ok);
  await other.close();
  await page.close();
});

test('every page of the settings hinders nobody, in any look', async () => {
  const page = await signedIn(browser, server);
  await server.api('POST', '/tokens', { name: 'nightly-export', scopes: ['read', 'run'] });
  await server.api('POST', '/access-keys', { name: 'laptop' });
  await server.api('POST', '/folders', { name: '.config' });
  const parts = ['profile', 'keys', 'ssh', 'browsers', 'dotfiles'];
  await lookedAt(page, server, Object.fromEntries(parts.map((part) => [`settings-${part}`, `/settings/${part}`])));
  await page.close();
});
