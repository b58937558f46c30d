import type { HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import type { Database } from './database.ts';

type Schema = components['schemas'];

const http = createOpenApiHttp<paths>({ baseUrl: '*' });

const OFFERS: Schema['AppOffer'][] = [
  { name: 'port', title: 'A port of the session', protocol: 'http', memory_bytes: 0, available: true },
  { name: 'desktop', title: 'Linux desktop', protocol: 'http', memory_bytes: 268_435_456, available: true },
  { name: 'vscode', title: 'VS Code', protocol: 'http', memory_bytes: 536_870_912, available: false, unavailable: 'it is not installed' },
];

/** What stands around the editor. */
export function deskHandlers(database: Database): HttpHandler[] {
  const apps = (session: string) => database.apps.get(session) ?? [];
  return [
    http.get('/api/v1/apps', ({ response }) => response(200).json({ items: OFFERS })),
    http.get('/api/v1/sessions/{id}/apps', ({ params, response }) => response(200).json({ items: apps(params.id) })),
    http.post('/api/v1/sessions/{id}/apps', async ({ params, request, response }) => {
      const { name = '', port } = await request.json();
      const app: Schema['AppView'] = { id: database.nextId('app'), name, port: port ?? 40_000, protocol: 'http', state: 'running' };
      database.apps.set(params.id, [...apps(params.id), app]);
      return response(200).json({ ...app, no_url: 'this API has no apps' });
    }),
  ];
}
