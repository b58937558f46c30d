import type { HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import { USER, type Database } from './database.ts';
import { invalid, nameRefused, notFound, problem } from './problem.ts';

type Key = components['schemas']['AccessKeyView'];

const http = createOpenApiHttp<paths>({ baseUrl: '*' });
const DAY_MS = 86_400_000;
const TOKEN_MS = { min: 1_000, usual: 90 * DAY_MS, max: 366 * DAY_MS };
const now = () => new Date().toISOString();
const later = (ms: number) => new Date(Date.now() + ms).toISOString();

/** By what programs sign in: tokens, access keys, SSH keys. Secrets are told once. */
export function keyHandlers(database: Database): HttpHandler[] {
  return [...tokenHandlers(database), ...accessKeyHandlers(database), ...sshKeyHandlers(database)];
}

function tokenHandlers({ tokens, nextId }: Database): HttpHandler[] {
  return [
    http.get('/api/v1/tokens', ({ response }) => response(200).json({ items: [...tokens.values()] })),
    http.post('/api/v1/tokens', async ({ request, response }) => {
      const { name, scopes, expires_in_ms } = await request.json();
      const lives = expires_in_ms ?? TOKEN_MS.usual;
      const refused = nameRefused(name)
        ?? (scopes?.length === 0 ? invalid('scopes', 'a token has one scope at least, of yours: read, run, manage, secret') : null)
        ?? (lives < TOKEN_MS.min || lives > TOKEN_MS.max ? invalid('expires_in_ms', `a token lives ${String(TOKEN_MS.min)} to ${String(TOKEN_MS.max)} ms`) : null);
      if (refused) return response.untyped(refused);
      const token = { id: nextId('tok'), name, owner: USER.id, scopes: scopes ?? ['read', 'run'], created_at: now(), expires_at: later(lives) };
      tokens.set(token.id, token);
      return response(201).json({ ...token, secret: `secret of ${token.id}` });
    }),
    http.delete('/api/v1/tokens/{id}', ({ params, response }) => {
      const token = tokens.get(params.id);
      tokens.delete(params.id);
      return token ? response(200).json(token) : response.untyped(notFound('token'));
    }),
  ];
}

function accessKeyHandlers({ accessKeys, nextId }: Database): HttpHandler[] {
  const set = (id: string, part: Partial<Key>) => {
    const key = accessKeys.get(id);
    if (key) accessKeys.set(id, { ...key, ...part });
    return accessKeys.get(id);
  };
  return [
    http.get('/api/v1/access-keys', ({ response }) => response(200).json({ items: [...accessKeys.values()] })),
    http.post('/api/v1/access-keys', async ({ request, response }) => {
      const { name, signing = 'any', expires_days } = await request.json();
      const refused = nameRefused(name);
      if (refused) return response.untyped(refused);
      const ends = expires_days ? { expires_at: later(expires_days * DAY_MS) } : {};
      const key: Key = { access_key: nextId('MDAK'), user: USER.id, name, signing, created_at: now(), rotated_at: now(), ...ends };
      accessKeys.set(key.access_key, key);
      return response(201).json({ ...key, secret_key: `secret of ${key.access_key}` });
    }),
    http.post('/api/v1/access-keys/{id}/suspend', ({ params, response }) => {
      const key = set(params.id, { suspended_at: accessKeys.get(params.id)?.suspended_at ?? now() });
      return key ? response(200).json(key) : response.untyped(notFound('access key'));
    }),
    http.post('/api/v1/access-keys/{id}/resume', ({ params, response }) => {
      const key = set(params.id, { suspended_at: null });
      return key ? response(200).json(key) : response.untyped(notFound('access key'));
    }),
    http.post('/api/v1/access-keys/{id}/rotate', ({ params, response }) => {
      const key = set(params.id, { rotated_at: now() });
      return key ? response(200).json({ ...key, secret_key: `next secret of ${key.access_key}, ${nextId('turn')}` }) : response.untyped(notFound('access key'));
    }),
    http.delete('/api/v1/access-keys/{id}', ({ params, response }) => {
      const key = accessKeys.get(params.id);
      accessKeys.delete(params.id);
      return key ? response(200).json(key) : response.untyped(notFound('access key'));
    }),
  ];
}

/** `ssh-ed25519 AAAA… comment`, as `ssh-keygen` writes it. */
const PUBLIC_KEY = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]{16,}={0,2})(?: (.*))?$/;

function sshKeyHandlers({ sshKeys, nextId }: Database): HttpHandler[] {
  return [
    http.get('/api/v1/ssh-keys', ({ response }) => response(200).json({ items: [...sshKeys.values()] })),
    http.post('/api/v1/ssh-keys', async ({ request, response }) => {
      const { name, public_key } = await request.json();
      const [, kind, bytes, comment] = PUBLIC_KEY.exec(public_key.trim()) ?? [];
      if (kind === undefined || bytes === undefined) return response.untyped(invalid('public_key', 'this is no public key of SSH'));
      const text = `${kind} ${bytes}`;
      if ([...sshKeys.values()].some(({ public_key }) => public_key === text)) return response.untyped(problem(409, 'conflict', 'somebody signs in with this key already'));
      const key = { id: nextId('sshk'), user: USER.id, made_by: USER.id, name: name ?? comment ?? kind, public_key: text, fingerprint: `SHA256:${bytes.slice(-43)}`, created_at: now() };
      sshKeys.set(key.id, key);
      return response(201).json(key);
    }),
    http.delete('/api/v1/ssh-keys/{id}', ({ params, response }) => {
      const key = sshKeys.get(params.id);
      sshKeys.delete(params.id);
      return key ? response(200).json(key) : response.untyped(notFound('SSH key'));
    }),
  ];
}
