import { expect, test } from 'vitest';
import { database } from '../src/testing/setup';
import { faults, faultsOfAnswer, faultsOfBody, operationOf } from './contract.ts';
import { CSRF } from './database.ts';
import { SLOTS_MAX } from './plan.ts';
import { FOLDER_BYTES_MAX } from './storage.ts';

const HOUR_MS = 3_600_000;
const later = (ms: number) => new Date(Date.now() + ms).toISOString();

/** Asks the API in memory as the web does, and holds what was asked and answered against the API's document. */
async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  database.signedIn = true;
  const operation = operationOf(method, new URL(path, location.origin).pathname);
  const answer = await fetch(new URL(path, location.origin), { method, headers: { 'x-csrf-token': CSRF, 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  // What the document does not allow has to be refused.
  if (answer.status !== 422) expect(faultsOfBody(operation, body), `${method} ${path}`).toEqual([]);
  const kind = answer.headers.get('content-type') ?? '';
  const given: unknown = kind.includes('json') ? await answer.json() : undefined;
  if (kind.includes('json') || answer.status === 204) expect(faultsOfAnswer(operation, answer.status, kind, given), `${method} ${path}`).toEqual([]);
  return { status: answer.status, body: given as Record<string, unknown> };
}

/** What is refused, and by which code. */
const refused = async (...asked: Parameters<typeof ask>) => {
  const { status, body } = await ask(...asked);
  return [status, body['code'], ...(body['field'] == null ? [] : [body['field']])];
};

const items = async (path: string) => (await ask('GET', path)).body['items'] as Record<string, unknown>[];
const idOf = ({ body }: Awaited<ReturnType<typeof ask>>) => body['id'] as string;

test('what the document does not allow is found', () => {
  const view = { $ref: '#/components/schemas/PriceView' };
  const price = { id: 'prc_1', unit: 'cpu-hour', micro: 1, currency: 'EUR', from: later(0), in_force: true };
  expect(faults(view, price, 'it')).toEqual([]);
  for (const [part, why] of [[{ unit: 'cpu-year' }, /none of/], [{ micro: -1 }, /out of bounds/], [{ micro: 1.5 }, /number, not integer/], [{ from: 'today' }, /no time/], [{ id: undefined }, /undefined, not string/]] as const) expect(faults(view, { ...price, ...part }, 'it').join(), JSON.stringify(part)).toMatch(why);
  expect(faults(view, {}, 'it')).toContain('it.unit is missing');
  expect(faultsOfBody(operationOf('POST', '/api/v1/prices'), { ...price, in_force: true })).toContain('body.in_force is not known');
  expect(faultsOfAnswer(operationOf('GET', '/api/v1/prices'), 418, 'application/json', {})).toHaveLength(1);
});

test('an image is made of a session, shared, renamed, brought to nodes, and removed once nothing lives of it', async () => {
  const { id: session } = database.sessionCreate({ language: 'python', name: 'homework' });
  database.files.get(session)?.set('.env', new Uint8Array(7));
  const commit = `/api/v1/sessions/${session}/commit`;
  expect(await refused('POST', commit, { name: 'with space' })).toEqual([422, 'invalid', 'name']);
  expect(await refused('POST', commit, { name: 'lab' })).toEqual([409, 'conflict', 'allow_secrets']);
  const made = await ask('POST', commit, { name: 'lab', allow_secrets: true });
  expect(made.body).toMatchObject({ secret_count: 1, image: { name: 'lab', languages: ['python'], size_bytes: 7 } });
  const { id } = (made.body['image'] as { committed: { id: string } }).committed;
  expect((await ask('PATCH', `/api/v1/images/${id}`, { shared: true })).body).toMatchObject({ committed: { project: 'prj_1' } });
  expect((await ask('PATCH', `/api/v1/images/${id}`, { name: 'lab-2' })).body).toMatchObject({ name: 'lab-2', committed: { project: 'prj_1' } });
  expect((await ask('POST', `/api/v1/images/${id}/prefetch`, {})).body['nodes']).toHaveLength(1);
  const { id: child } = database.sessionCreate({ language: 'python', image: id });
  expect(await refused('DELETE', `/api/v1/images/${id}`)).toEqual([409, 'conflict']);
  await ask('DELETE', `/api/v1/sessions/${child}`);
  await ask('DELETE', `/api/v1/images/${id}`);
  expect((await items('/api/v1/images')).map(({ name }) => name)).toEqual(['host']);
  expect(await refused('GET', `/api/v1/images/${id}`)).toEqual([404, 'not-found']);
});

test('a folder is shared with a project at once and with a user by invitation, and goes to the trash and back', async () => {
  const folder = `/api/v1/folders/${idOf(await ask('POST', '/api/v1/folders', { name: 'data', cloneable: true }))}`;
  expect(await refused('POST', '/api/v1/folders', { name: 'data' })).toEqual([409, 'conflict']);
  await ask('POST', `${folder}/shares`, { project: 'default', permission: 'read' });
  expect(await refused('POST', `${folder}/shares`, { user: 'kim', permission: 'read' })).toEqual([409, 'conflict']);
  expect(await refused('POST', `${folder}/invitations`, { user: 'nobody', permission: 'read' })).toEqual([422, 'invalid', 'user']);
  const invitation = idOf(await ask('POST', `${folder}/invitations`, { user: 'kim', permission: 'write' }));
  expect(await refused('POST', `${folder}/invitations`, { user: 'kim', permission: 'write' })).toEqual([409, 'conflict']);
  await ask('POST', `/api/v1/invitations/${invitation}/accept`);
  expect(await refused('POST', `/api/v1/invitations/${invitation}/decline`)).toEqual([409, 'conflict']);
  expect((await items(`${folder}/shares`)).map(({ name, permission }) => [name, permission])).toEqual([['default', 'read'], ['kim', 'write']]);
  await ask('POST', `${folder}/shares`, { user: 'kim', permission: 'delete' });
  await ask('DELETE', `${folder}/shares/kim`);
  await ask('POST', `${folder}/invitations`, { user: 'lee', permission: 'read' });
  await ask('DELETE', `${folder}/invitations/lee`);
  expect((await items('/api/v1/invitations')).map(({ user_name, state }) => [user_name, state])).toEqual([['kim', 'accepted'], ['lee', 'withdrawn']]);
  expect(await items(`${folder}/shares`)).toHaveLength(1);
  expect(await refused('POST', `${folder}/leave`)).toEqual([409, 'conflict']);
  const copy = `/api/v1/folders/${idOf(await ask('POST', `${folder}/clone`, { name: 'copy' }))}`;
  expect((await ask('POST', `${copy}/owner`, { project: 'default' })).body).toMatchObject({ project: 'prj_1', owner_name: 'default' });
  expect(await refused('POST', `${copy}/clone`, { name: 'again' })).toEqual([409, 'conflict']);
  await ask('DELETE', folder);
  expect(await refused('PATCH', folder, { name: 'other' })).toEqual([409, 'conflict']);
  await ask('POST', `${folder}/restore`);
  expect((await ask('PATCH', folder, { name: 'other' })).body).toMatchObject({ name: 'other', state: 'ready' });
  expect(await refused('POST', `${folder}/purge`)).toEqual([409, 'conflict']);
});

test('a file comes into a folder by tus: whole or not at all, never over another unasked, and never over the quota', async () => {
  const folder = idOf(await ask('POST', '/api/v1/folders', { name: 'data' }));
  const { url, ticket } = (await ask('POST', `/api/v1/folders/${folder}/tickets`, { may: 'write' })).body as { url: string; ticket: string };
  const send = (method: string, path: string, headers: Record<string, string> = {}, body?: string) => fetch(new URL(`${url}/${path}`, location.origin), { method, headers: { authorization: `Bearer ${ticket}`, 'tus-resumable': '1.0.0', 'x-csrf-token': CSRF, ...headers }, ...(body === undefined ? {} : { body }) });
  const create = (length: number, also = ',new') => send('POST', 'uploads', { 'upload-length': String(length), 'upload-metadata': `path ${btoa('a/b.txt')},parents${also}` });
  const patch = (upload: string, at: number, body: string) => send('PATCH', upload, { 'upload-offset': String(at), 'content-type': 'application/offset+octet-stream' }, body);
  const listed = async (path: string) => ((await (await send('GET', `list/${path}`)).json()) as { entries: { path: string }[] }).entries.map(({ path }) => path);
  expect((await fetch(new URL(`${url}/list/`, location.origin), { headers: { authorization: 'Bearer none' } })).status).toBe(401);
  const upload = (await create(6)).headers.get('location') ?? '';
  expect((await patch(upload, 0, 'abc')).headers.get('upload-offset')).toBe('3');
  expect(await listed('')).toEqual([]);
  expect((await patch(upload, 0, 'abc')).status).toBe(409);
  expect((await send('HEAD', upload)).headers.get('upload-offset')).toBe('3');
  expect((await patch(upload, 3, 'def')).status).toBe(204);
  expect([await listed(''), await listed('a')]).toEqual([['a'], ['a/b.txt']]);
  expect(await (await send('GET', 'files/a/b.txt')).text()).toBe('abcdef');
  expect([(await create(1)).status, (await create(1, '')).status, (await create(FOLDER_BYTES_MAX)).status]).toEqual([409, 201, 409]);
  expect((await send('POST', 'uploads', { 'upload-length': String(FOLDER_BYTES_MAX), 'upload-metadata': `path ${btoa('c')}` })).status).toBe(507);
  expect((await send('DELETE', 'files/a')).status).toBe(409);
  expect((await send('POST', 'move/a?to=z')).status).toBe(200);
  expect(await listed('z')).toEqual(['z/b.txt']);
  expect((await ask('GET', `/api/v1/folders/${folder}`)).body).toMatchObject({ used_bytes: 6, used_files: 2 });
  expect((await send('DELETE', 'files/z?recursive')).status).toBe(204);
  expect(await listed('')).toEqual([]);
});

test('tokens and keys are made, told once, suspended, rotated and ended', async () => {
  expect(await refused('POST', '/api/v1/tokens', { name: 't', scopes: [] })).toEqual([422, 'invalid', 'scopes']);
  expect(await refused('POST', '/api/v1/tokens', { name: 't', expires_in_ms: 1 })).toEqual([422, 'invalid', 'expires_in_ms']);
  const token = await ask('POST', '/api/v1/tokens', { name: 'ci', scopes: ['read'] });
  expect(JSON.stringify(await items('/api/v1/tokens'))).not.toContain(token.body['secret']);
  await ask('DELETE', `/api/v1/tokens/${idOf(token)}`);
  expect(await refused('DELETE', `/api/v1/tokens/${idOf(token)}`)).toEqual([404, 'not-found']);
  const key = await ask('POST', '/api/v1/access-keys', { name: 'laptop', expires_days: 30 });
  const path = `/api/v1/access-keys/${String(key.body['access_key'])}`;
  expect((await ask('POST', `${path}/suspend`)).body['suspended_at']).toBeTruthy();
  expect((await ask('POST', `${path}/resume`)).body['suspended_at']).toBeNull();
  expect((await ask('POST', `${path}/rotate`)).body['secret_key']).not.toBe(key.body['secret_key']);
  await ask('DELETE', path);
  expect(await items('/api/v1/access-keys')).toEqual([]);
  const public_key = `ssh-ed25519 ${'A'.repeat(68)}`;
  expect(await refused('POST', '/api/v1/ssh-keys', { public_key: 'a door' })).toEqual([422, 'invalid', 'public_key']);
  const ssh = await ask('POST', '/api/v1/ssh-keys', { public_key: `${public_key} kim@laptop` });
  expect(ssh.body).toMatchObject({ name: 'kim@laptop', public_key });
  expect(await refused('POST', '/api/v1/ssh-keys', { public_key })).toEqual([409, 'conflict']);
  await ask('DELETE', `/api/v1/ssh-keys/${idOf(ssh)}`);
  expect(await items('/api/v1/ssh-keys')).toEqual([]);
});

test('prices are in one currency and hold once they begin; budgets are of one holder', async () => {
  expect(await refused('POST', '/api/v1/prices', { unit: 'cpu-hour', micro: 1, currency: 'eur' })).toEqual([422, 'invalid', 'currency']);
  expect(await refused('POST', '/api/v1/prices', { unit: 'cpu-hour', micro: 1, currency: 'EUR', from: later(-HOUR_MS) })).toEqual([422, 'invalid', 'from']);
  const begun = await ask('POST', '/api/v1/prices', { unit: 'cpu-hour', micro: 50_000, currency: 'EUR' });
  const coming = await ask('POST', '/api/v1/prices', { unit: 'cpu-hour', micro: 60_000, currency: 'EUR', from: later(HOUR_MS) });
  expect([begun.body['in_force'], coming.body['in_force']]).toEqual([true, false]);
  expect(await refused('POST', '/api/v1/prices', { unit: 'sent-gib', micro: 1, currency: 'KRW' })).toEqual([409, 'conflict']);
  expect(await refused('DELETE', `/api/v1/prices/${idOf(begun)}`)).toEqual([409, 'conflict']);
  await ask('DELETE', `/api/v1/prices/${idOf(coming)}`);
  expect(await items('/api/v1/prices')).toHaveLength(1);
  expect(await refused('POST', '/api/v1/budgets', { limit_micro: 1, period: 'day', user: 'kim', project: 'default' })).toEqual([422, 'invalid', 'project']);
  expect(await refused('POST', '/api/v1/budgets', { limit_micro: 1, period: 'day', warn_percent: 101 })).toEqual([422, 'invalid', 'warn_percent']);
  expect(await refused('POST', '/api/v1/budgets', { limit_micro: 1, period: 'day', user: 'nobody' })).toEqual([404, 'not-found']);
  const budget = await ask('POST', '/api/v1/budgets', { limit_micro: 5_000_000, period: 'month', project: 'default' });
  expect(budget.body).toMatchObject({ name: 'default', currency: 'EUR', level: 'open', at_limit: 'stop' });
  await ask('DELETE', `/api/v1/budgets/${idOf(budget)}`);
  expect(await items('/api/v1/budgets')).toEqual([]);
});

test('what cannot be promised is refused with what could be', async () => {
  const time = { starts_at: later(HOUR_MS), ends_at: later(2 * HOUR_MS) };
  expect(await refused('POST', '/api/v1/reservations', { slots: 1, starts_at: later(HOUR_MS), ends_at: later(0) })).toEqual([422, 'invalid', 'ends_at']);
  expect(await refused('POST', '/api/v1/reservations', { slots: 1, language: 'cobol', ...time })).toEqual([422, 'invalid', 'language']);
  const first = await ask('POST', '/api/v1/reservations', { slots: SLOTS_MAX - 2, language: 'python', ...time });
  const second = await ask('POST', '/api/v1/reservations', { slots: 3, ...time });
  expect([second.status, second.body]).toMatchObject([409, { code: 'unkeepable', possible: { slots: 2, starts_at: time.ends_at } }]);
  await ask('POST', '/api/v1/reservations', { slots: 3, starts_at: time.ends_at, ends_at: later(3 * HOUR_MS) });
  expect(await items('/api/v1/reservations')).toHaveLength(2);
  await ask('DELETE', `/api/v1/reservations/${idOf(first)}`);
  await ask('POST', '/api/v1/reservations', { slots: 3, ...time });
  expect(await refused('DELETE', '/api/v1/reservations/rsv_none')).toEqual([404, 'not-found']);
});
