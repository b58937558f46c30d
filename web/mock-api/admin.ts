import type { HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { paths } from '../src/api/generated';
import type { Database } from './database.ts';

const http = createOpenApiHttp<paths>({ baseUrl: '*' });

/** How the service is: one node and one process, nobody waits, nothing fails. */
export function adminHandlers(database: Database): HttpHandler[] {
  const now = new Date().toISOString();
  return [
    http.get('/api/v1/service/state', ({ response }) => response(200).json({ state: 'running', reason: '' })),
    http.get('/api/v1/processes', ({ response }) => response(200).json({ items: [{ id: 'prc_1', answers: true, tasks: [] }] })),
    http.get('/api/v1/nodes', ({ response }) =>
      response(200).json({ items: [{ id: 'node_1', name: 'here', state: 'schedulable', presence: 'here', resource_group: 'default', sessions: database.sessions.size, sandboxes: database.sessions.size, cpu_millis: 2_000, memory_bytes: 8 * 1024 ** 3, system: 'Linux', version: '0', devices: [], labels: {}, joined_at: now }] }),
    ),
    http.get('/api/v1/resource-groups', ({ response }) => response(200).json({ items: [{ name: 'default', waiting: 0, nodes: 1, nodes_open: 1, settings: {} }] })),
    http.get('/api/v1/announcements', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/announcements/all', ({ response }) => response(200).json({ items: [] })),
  ];
}
