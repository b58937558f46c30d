import type { HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { paths } from '../src/api/generated';
import { USER, type Database } from './database.ts';

const http = createOpenApiHttp<paths>({ baseUrl: '*' });

/** Where one is signed in: this browser. */
export function settingsHandlers(database: Database): HttpHandler[] {
  const now = () => new Date().toISOString();
  return [
    http.get('/api/v1/signins', ({ response }) => response(200).json({ items: [{ id: 'brw_1', user: USER.id, address: '127.0.0.1', agent: 'Firefox/130 Linux', method: database.method, current: true, created_at: now(), seen_at: now(), expires_at: now() }] })),
    http.get('/api/v1/organizations', ({ response }) => response(200).json({ items: [] })),
  ];
}
