import { http as anyHttp, HttpResponse, type HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import { USER, type Database } from './database.ts';

type Schema = components['schemas'];

const http = createOpenApiHttp<paths>({ baseUrl: '*' });
const NO_USAGE: Schema['Usage'] = { wall_us: 0, cpu_user_us: 0, cpu_system_us: 0, memory_peak_bytes: 0, memory_kib_ms: 0, read_bytes: 0, written_bytes: 0 };

const administrator = (): Schema['UserView'] => ({ id: USER.id, name: USER.name, organization: 'org_1', role: 'system-administrator', memberships: [], created_at: '2026-01-01T00:00:00.000Z' });

/** What the console asks for. */
export function consoleHandlers(database: Database): HttpHandler[] {
  return [
    http.get('/api/v1/users', ({ response }) => response(200).json({ items: [administrator()] })),
    http.get('/api/v1/me', ({ response }) => response(200).json({ ...administrator(), scopes: ['read', 'run', 'manage', 'secret'], signed_in_by: 'cookie', has_password: database.method === 'password' })),
    http.get('/api/v1/projects', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/images', ({ response }) => response(200).json({ items: [{ name: 'host', languages: database.languages.map(({ id }) => id), size_bytes: 0 }] })),
    http.get('/api/v1/sessions/{id}/logs', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/sessions/{id}/usage', ({ response }) => response(200).json(NO_USAGE)),
    // Nothing happens here; whoever listens asks again.
    anyHttp.get('*/api/v1/events', () => new HttpResponse('', { headers: { 'content-type': 'application/x-ndjson' } })),
  ];
}
