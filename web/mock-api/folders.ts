import type { HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import { USER, type Database } from './database.ts';
import { nameRefused, notFound, problem } from './problem.ts';
import { FOLDER_BYTES_MAX } from './storage.ts';

type Schema = components['schemas'];

const http = createOpenApiHttp<paths>({ baseUrl: '*' });
const now = () => new Date().toISOString();

const gone = () => notFound('folder');

/** What the administrator's own folders hold. */
function quota(database: Database): Schema['FolderQuotaView'] {
  const used = [...database.folders.values()].filter(({ user }) => user === USER.id).map(({ id }) => database.folderUsed(id));
  const sum = (of: (one: ReturnType<Database['folderUsed']>) => number) => used.reduce((sum, one) => sum + of(one), 0);
  return { user: USER.id, name: USER.name, folders: used.length, used_bytes: sum(({ used_bytes }) => used_bytes), used_files: sum(({ used_files }) => used_files), max_bytes: FOLDER_BYTES_MAX, max_files: 1_000_000 };
}

/** Folders in memory: made, changed, copied, given away, brought to the trash and back; what is in them is `storage.ts`'s. */
export function folderHandlers(database: Database): HttpHandler[] {
  return [...ownHandlers(database), ...turnHandlers(database), ...giveHandlers(database)];
}

type Folder = Schema['FolderView'];
type Refusal = ReturnType<typeof problem>;
type Change = { folder?: Folder; refused?: Refusal };

const isTaken = ({ folders }: Database, name: string, owner: string, but = '') => [...folders.values()].some((folder) => folder.name === name && (folder.user ?? folder.project) === owner && folder.state !== 'trashed' && folder.id !== but);
const taken = (name: string) => problem(409, 'conflict', `the folder ${name} exists already`);

/** Changes a folder that is in the state it has to be in. */
function change({ folders }: Database, id: string, from: 'ready' | 'trashed', part: Partial<Folder>): Change {
  const folder = folders.get(id);
  if (!folder) return { refused: gone() };
  if (folder.state !== from) return { refused: problem(409, 'conflict', `the folder \`${folder.name}\` is ${folder.state}`) };
  const changed = { ...folder, ...part, changed_at: now() };
  folders.set(id, changed);
  return { folder: changed };
}

function made(database: Database, asked: Pick<Folder, 'name' | 'mode' | 'cloneable'> & Partial<Folder>): Folder {
  const id = database.nextId('fld');
  const owner = asked.project ? { project: asked.project, owner_name: database.projectNamed(asked.project)?.name ?? '' } : { user: USER.id, owner_name: USER.name };
  const folder: Folder = { id, ...owner, organization: 'org_1', permission: 'write', may: 'delete', state: 'ready', node: 'node_1', created_by: USER.id, created_at: now(), changed_at: now(), ...asked };
  database.folders.set(id, folder);
  database.folderFiles.set(id, new Map());
  return folder;
}

function ownHandlers(database: Database): HttpHandler[] {
  return [
    http.get('/api/v1/folders', ({ query, response }) => {
      const isTrashed = String(query.get('trashed')) === 'true';
      return response(200).json({ items: [...database.folders.values()].filter(({ state }) => (state === 'trashed') === isTrashed) });
    }),
    http.post('/api/v1/folders', async ({ request, response }) => {
      const { name, mode = 'general', cloneable = false, project, permission } = await request.json();
      const home = project ? database.projectNamed(project) : undefined;
      const refused = nameRefused(name) ?? (project && !home ? notFound(`project ${project}`) : null) ?? (isTaken(database, name, home?.id ?? USER.id) ? taken(name) : null);
      if (refused) return response.untyped(refused);
      return response(201).json(made(database, { name, mode, cloneable, ...(home ? { project: home.id } : {}), ...(permission ? { permission } : {}) }));
    }),
    http.get('/api/v1/folders/{id}', ({ params, response }) => {
      const folder = database.folders.get(params.id);
      return folder ? response(200).json({ ...folder, ...database.folderUsed(params.id) }) : response.untyped(gone());
    }),
    http.patch('/api/v1/folders/{id}', async ({ params, request, response }) => {
      const { name, mode, cloneable, permission } = await request.json();
      const present = database.folders.get(params.id);
      const refused = name == null || !present ? null : (nameRefused(name) ?? (isTaken(database, name, present.user ?? present.project ?? '', present.id) ? taken(name) : null));
      if (refused) return response.untyped(refused);
      const { folder, refused: why } = change(database, params.id, 'ready', { ...(name == null ? {} : { name }), ...(mode == null ? {} : { mode }), ...(cloneable == null ? {} : { cloneable }), ...(permission == null ? {} : { permission }) });
      return folder ? response(200).json(folder) : response.untyped(why ?? gone());
    }),
    http.get('/api/v1/folder-quotas', ({ response }) => response(200).json({ items: [quota(database)] })),
  ];
}

/** Into the trash, back out of it, and away for good. */
function turnHandlers(database: Database): HttpHandler[] {
  return [
    http.delete('/api/v1/folders/{id}', ({ params, response }) => {
      const { folder, refused } = change(database, params.id, 'ready', { state: 'trashed', trashed_at: now() });
      return folder ? response(200).json(folder) : response.untyped(refused ?? gone());
    }),
    http.post('/api/v1/folders/{id}/restore', ({ params, response }) => {
      const present = database.folders.get(params.id);
      if (present?.state === 'trashed' && isTaken(database, present.name, present.user ?? present.project ?? '')) return response.untyped(taken(present.name));
      const { folder, refused } = change(database, params.id, 'trashed', { state: 'ready', trashed_at: null });
      return folder ? response(200).json(folder) : response.untyped(refused ?? gone());
    }),
    http.post('/api/v1/folders/{id}/purge', ({ params, response }) => {
      const { folder, refused } = change(database, params.id, 'trashed', { state: 'purging' });
      if (!folder) return response.untyped(refused ?? gone());
      for (const known of [database.folders, database.folderFiles, database.folderShares]) known.delete(folder.id);
      return response(200).json(folder);
    }),
  ];
}

/** Copies, other owners, and the right to what is inside. */
function giveHandlers(database: Database): HttpHandler[] {
  return [
    http.post('/api/v1/folders/{id}/clone', async ({ params, request, response }) => {
      const { name, project } = await request.json();
      const from = database.folders.get(params.id);
      const home = project ? database.projectNamed(project) : undefined;
      const refused = (from ? nameRefused(name) : gone()) ?? (from?.cloneable ? null : problem(409, 'conflict', 'the folder may not be copied')) ?? (isTaken(database, name, home?.id ?? USER.id) ? taken(name) : null);
      if (refused || !from) return response.untyped(refused ?? gone());
      const copy = made(database, { name, mode: from.mode, cloneable: false, cloned_from: from.id, ...(home ? { project: home.id } : {}) });
      database.folderFiles.set(copy.id, new Map(database.folderFiles.get(from.id)));
      return response(201).json(copy);
    }),
    http.post('/api/v1/folders/{id}/owner', async ({ params, request, response }) => {
      const { user, project } = await request.json();
      const owner = project ? database.projectNamed(project) : database.userNamed(user ?? '');
      if (!owner) return response.untyped(notFound(project ? `project ${project}` : `user ${user ?? ''}`));
      const whose = project ? { project: owner.id, user: null } : { user: owner.id, project: null };
      const { folder, refused } = change(database, params.id, 'ready', { ...whose, owner_name: owner.name });
      return folder ? response(200).json(folder) : response.untyped(refused ?? gone());
    }),
    http.post('/api/v1/folders/{id}/tickets', async ({ params, request, response }) => {
      const { may } = await request.json();
      const folder = database.folders.get(params.id);
      if (!folder) return response.untyped(gone());
      if (folder.state !== 'ready') return response.untyped(problem(409, 'conflict', `the folder \`${folder.name}\` is ${folder.state}`));
      const ticket = database.nextId(`ticket-to-${may}`);
      database.tickets.set(ticket, folder.id);
      return response(201).json({ url: `/storage/v1/${folder.id}`, ticket, expires_at: new Date(Date.now() + 3_600_000).toISOString() });
    }),
  ];
}
