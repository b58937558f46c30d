// The short one of e2e/loss.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shown } from './browser.mjs';
import { LossRounds } from './loss-rounds.mjs';
import { signedIn } from './web.mjs';
import { browser, server } from './world.mjs';

/** After each act once. */
const ROUNDS = 4;
const SEED = 4;

test('typing through reloads, kills of the server, no network, sleep and two tabs loses no keystroke and doubles none', async () => {
  const page = await signedIn(browser, server);
  const rounds = new LossRounds(page, server, await server.api('POST', '/sessions', { language: 'python' }), SEED);
  await shown(page, 'web-loss', async () => {
    await rounds.begin();
    for (const act of Object.keys(rounds.acts)) await rounds.round(act);
    for (let round = 0; round < ROUNDS; round += 1) await rounds.round();
  });
  assert.deepEqual(page.complaints.filter((complaint) => !/Failed to load resource|WebSocket|net::ERR|fetching the script/.test(complaint)), []);
  await page.close();
});
