import { http as anyHttp, HttpResponse, type HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import { USER, type Database } from './database.ts';
import { problem } from './problem.ts';

type Schema = components['schemas'];

const http = createOpenApiHttp<paths>({ baseUrl: '*' });
const now = () => new Date().toISOString();

const gone = () => problem(404, 'not-found', 'no such folder');

/** Folders in memory: made, renamed, brought to the trash and back; their files by name alone. */
export function folderHandlers(database: Database): HttpHandler[] {
  const set = (id: string, part: Partial<Schema['FolderView']>) => {
    const folder = database.folders.get(id);
    if (!folder) return undefined;
    const changed = { ...folder, ...part, changed_at: now() };
    database.folders.set(id, changed);
    return changed;
  };
  return [
    http.get('/api/v1/folders', ({ query, response }) => {
      const isTrashed = String(query.get('trashed')) === 'true';
      return response(200).json({ items: [...database.folders.values()].filter(({ state }) => (state === 'trashed') === isTrashed) });
    }),
    http.post('/api/v1/folders', async ({ request, response }) => {
      const { name, mode = 'general', cloneable = false } = await request.json();
      const id = database.nextId('fld');
      const folder: Schema['FolderView'] = { id, name, mode, cloneable, user: USER.id, owner_name: USER.name, organization: 'org_1', permission: 'write', may: 'delete', state: 'ready', node: 'node_1', created_by: USER.id, created_at: now(), changed_at: now() };
      database.folders.set(id, folder);
      return response(201).json(folder);
    }),
    http.get('/api/v1/folders/{id}', ({ params, response }) => {
      const folder = database.folders.get(params.id);
      return folder ? response(200).json({ ...folder, used_bytes: 4_096, used_files: database.folderFiles.get(params.id)?.size ?? 0 }) : response.untyped(gone());
    }),
    http.patch('/api/v1/folders/{id}', async ({ params, request, response }) => {
      const { name } = await request.json();
      const folder = set(params.id, name ? { name } : {});
      return folder ? response(200).json(folder) : response.untyped(gone());
    }),
    http.delete('/api/v1/folders/{id}', ({ params, response }) => {
      const folder = set(params.id, { state: 'trashed', trashed_at: now() });
      return folder ? response(200).json(folder) : response.untyped(gone());
    }),
    http.post('/api/v1/folders/{id}/restore', ({ params, response }) => {
      const folder = set(params.id, { state: 'ready', trashed_at: null });
      return folder ? response(200).json(folder) : response.untyped(gone());
    }),
    http.post('/api/v1/folders/{id}/purge', ({ params, response }) => {
      const folder = set(params.id, { state: 'purging' });
      database.folders.delete(params.id);
      return folder ? response(200).json(folder) : response.untyped(gone());
    }),
    http.get('/api/v1/folders/{id}/shares', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/folder-quotas', ({ response }) => response(200).json({ items: [{ user: USER.id, name: USER.name, folders: database.folders.size, used_bytes: 4_096 * database.folders.size, used_files: 0, max_bytes: 10 * 1024 ** 3, max_files: 1_000_000 }] })),
    http.get('/api/v1/invitations', ({ response }) => response(200).json({ items: [] })),
    http.post('/api/v1/folders/{id}/tickets', ({ params, response }) => response(201).json({ url: `/storage/v1/${params.id}/`, ticket: 'mock', expires_at: new Date(Date.now() + 3_600_000).toISOString() })),
    anyHttp.get<{ id: string }>('*/storage/v1/:id/list/*', ({ params }) => {
      const entries = [...(database.folderFiles.get(params.id) ?? [])].map((name) => ({ name, path: encodeURIComponent(name), kind: 'file', size_bytes: 1, modified_ms: Date.now(), mode: 0o644 }));
      return HttpResponse.json({ entries, more_after: null });
    }),
    anyHttp.delete<{ id: string }>('*/storage/v1/:id/files/*', ({ params, request }) => {
      const name = decodeURIComponent(new URL(request.url).pathname.split('/files/')[1] ?? '');
      return database.folderFiles.get(params.id)?.delete(name) ? new HttpResponse(null, { status: 204 }) : problem(404, 'not-found', `no file ${name}`);
    }),
  ];
}
