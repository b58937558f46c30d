// Many rounds of web-loss.test.mjs, with dice thrown anew each time.
//
//   ROUNDS=500 SEED=1 scripts/with-browser MADANG node loss.mjs
import { launch } from './browser.mjs';
import { LossRounds } from './loss-rounds.mjs';
import { Server } from './server.mjs';
import { signedIn } from './web.mjs';

const count = Number(process.env.ROUNDS ?? 500);
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

const server = await Server.start();
const browser = await launch();
try {
  const rounds = new LossRounds(await signedIn(browser, server), server, await server.api('POST', '/sessions', { language: 'python' }), seed);
  console.log(`seed ${seed}`);
  await rounds.begin();
  for (let round = 1; round <= count; round += 1) {
    await rounds.round();
    if (round % 25 === 0) console.log(`${round} rounds, ${rounds.keys} keys`);
  }
  console.log(`loss: ${count} rounds, seed ${seed}, ${rounds.keys} keys, none lost, none doubled; ${JSON.stringify(rounds.counts)}`);
} finally {
  await browser.close();
  await server.stop();
}
