import type { HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { paths } from '../src/api/generated';
import { USER, type Database } from './database.ts';
import { problem } from './problem.ts';

const http = createOpenApiHttp<paths>({ baseUrl: '*' });

/** Tokens in memory; of other keys, of money and of reservations there are none. */
export function settingsHandlers(database: Database): HttpHandler[] {
  const now = () => new Date().toISOString();
  const today = () => now().slice(0, 10);
  return [
    http.get('/api/v1/tokens', ({ response }) => response(200).json({ items: [...database.tokens.values()] })),
    http.post('/api/v1/tokens', async ({ request, response }) => {
      const { name, scopes, expires_in_ms } = await request.json();
      const token = { id: database.nextId('tok'), name, owner: USER.id, scopes: scopes ?? ['read', 'run'], created_at: now(), expires_at: new Date(Date.now() + (expires_in_ms ?? 0)).toISOString() };
      database.tokens.set(token.id, token);
      return response(201).json({ ...token, secret: `secret of ${token.id}` });
    }),
    http.delete('/api/v1/tokens/{id}', ({ params, response }) => {
      const token = database.tokens.get(params.id);
      database.tokens.delete(params.id);
      return token ? response(200).json(token) : response.untyped(problem(404, 'not-found', 'no such token'));
    }),
    http.get('/api/v1/access-keys', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/ssh-keys', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/signins', ({ response }) => response(200).json({ items: [{ id: 'brw_1', user: USER.id, address: '127.0.0.1', agent: 'Firefox/130 Linux', method: database.method, current: true, created_at: now(), seen_at: now(), expires_at: now() }] })),
    http.get('/api/v1/organizations', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/budgets', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/prices', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/reservations', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/usage', ({ response }) => response(200).json({ by: 'day', from: today(), to: today(), items: [], truncated: false })),
  ];
}
