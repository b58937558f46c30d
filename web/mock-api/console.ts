import { http as anyHttp, HttpResponse, type HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import type { Database } from './database.ts';

type Schema = components['schemas'];

const http = createOpenApiHttp<paths>({ baseUrl: '*' });
const NO_USAGE: Schema['Usage'] = { wall_us: 0, cpu_user_us: 0, cpu_system_us: 0, memory_peak_bytes: 0, memory_kib_ms: 0, read_bytes: 0, written_bytes: 0 };

/** What the console asks for. */
export function consoleHandlers(database: Database): HttpHandler[] {
  const [administrator] = database.users as [Schema['UserView'], ...Schema['UserView'][]];
  return [
    http.get('/api/v1/users', ({ response }) => response(200).json({ items: [...database.users] })),
    http.get('/api/v1/me', ({ response }) => response(200).json({ ...administrator, scopes: ['read', 'run', 'manage', 'secret'], signed_in_by: 'cookie', has_password: database.method === 'password' })),
    http.get('/api/v1/projects', ({ response }) => response(200).json({ items: [...database.projects] })),
    http.get('/api/v1/sessions/{id}/logs', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/sessions/{id}/usage', ({ response }) => response(200).json(NO_USAGE)),
    // Nothing happens here; whoever listens asks again.
    anyHttp.get('*/api/v1/events', () => new HttpResponse('', { headers: { 'content-type': 'application/x-ndjson' } })),
  ];
}
