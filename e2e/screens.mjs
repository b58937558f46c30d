// Pictures of every page in every look, of a server that has something to show, for somebody to look at; axe looks, too.
//
//   MADANG_E2E_SHOTS=FOLDER scripts/with-browser MADANG node screens.mjs
import { launch } from './browser.mjs';
import { Server } from './server.mjs';
import { lookedAt, signedIn, signedInAs, webPage } from './web.mjs';

const HOUR_MS = 3_600_000;
const PLOT = 'import math\nheights = [round(10 * math.sin(x / 3)) for x in range(12)]\nfor height in heights:\n    print("#" * (height + 11))\n';

if (!process.env.MADANG_E2E_SHOTS) throw new Error('MADANG_E2E_SHOTS names the folder that the pictures go to');
const server = await Server.start();
const browser = await launch();
try {
  const page = await signedIn(browser, server);
  const stranger = await webPage(browser);
  await stranger.goto(`${server.url}/signin`);
  await lookedAt(stranger, server, { 'sign-in': '/signin', invitation: await invitation(), 'shared-run': await sharedRun() });
  await lookedAt(page, server, { ...(await pages()), nowhere: '/no-such-page' });
  const learner = await signedInAs(browser, server, 'kim');
  await lookedAt(learner, server, { 'home-of-a-learner': '/' });
  await server.api('PUT', '/projects/default/members/kim', { role: 'project-manager' });
  await lookedAt(learner, server, { 'home-of-a-teacher': '/' });
} finally {
  await browser.close();
  await server.stop();
}

async function invitation() {
  const { id } = await server.api('POST', '/users', { name: 'park', project: 'default' });
  const { secret } = await server.api('POST', '/links', { user: id, kind: 'invitation' });
  return `/signin/link#${secret}`;
}

async function sharedRun() {
  const { id } = await server.api('POST', '/sessions', { language: 'python', name: 'plots' });
  await server.write(id, 'main.py', PLOT);
  const run = await server.api('POST', `/sessions/${id}/runs`, { mode: 'query', code: PLOT });
  const { secret } = await server.api('POST', `/runs/${run.id}/shares`, {});
  return `/shared#${secret}`;
}

/** Every page of somebody who may see them all, by its name. */
async function pages() {
  const { id: session } = await server.api('POST', '/sessions', { language: 'python', name: 'lesson-7' });
  await server.write(session, 'main.py', PLOT);
  await server.api('POST', `/sessions/${session}/runs`, { mode: 'batch', code: PLOT, wait: true });
  const { id: folder } = await server.api('POST', '/folders', { name: 'measurements', mode: 'data' });
  await server.api('POST', '/sessions', { kind: 'batch', language: 'python', name: 'nightly', startup_command: 'echo done' });
  const at = (hours) => new Date(Date.now() + hours * HOUR_MS).toISOString();
  await server.api('PUT', '/resource-groups/default', { cpu_percent: 100 });
  // Once sessions that begin now must have ended.
  await server.api('POST', '/reservations', { language: 'python', slots: 1, starts_at: at(200), ends_at: at(202) });
  await server.api('POST', '/budgets', { limit_micro: 5_000_000, period: 'month' });
  await server.api('POST', '/tokens', { name: 'nightly-export', scopes: ['read', 'run'] });
  await server.api('POST', '/access-keys', { name: 'laptop' });
  await server.api('POST', '/announcements', { texts: { en: 'No lesson on Friday.', ko: '금요일은 쉽니다.' }, level: 'warning', audience: 'signed-in' });
  const named = (prefix, names) => Object.fromEntries(names.map((name) => [`${prefix}-${name}`, `/${prefix}/${name}`]));
  return {
    home: '/', workspace: `/w/${session}`, sessions: '/sessions', session: `/sessions/${session}`, jobs: '/jobs', reservations: '/reservations', usage: '/usage',
    folders: '/folders', folder: `/folders/${folder}`, trash: '/folders?trash=true', images: '/images',
    ...named('admin', ['people', 'projects', 'policies', 'nodes', 'queue', 'audit', 'announcements', 'health']),
    ...named('settings', ['profile', 'keys', 'ssh', 'browsers', 'dotfiles']),
  };
}
