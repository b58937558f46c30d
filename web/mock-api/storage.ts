import { http, HttpResponse, type HttpHandler } from 'msw';
import type { Database } from './database.ts';
import { problem } from './problem.ts';

const AT = '*/storage/v1/:id';
/** What all folders together may hold. */
export const FOLDER_BYTES_MAX = 64 * 1024 * 1024;

type Files = Map<string, Uint8Array | null>;
type Place = { files: Files; path: string; query: URLSearchParams };

/** The service of files: what is in folders, for whoever has a ticket. A directory is a name without bytes. */
export function storageHandlers(database: Database): HttpHandler[] {
  return [ticketGate(database), ...directoryHandlers(database), ...fileHandlers(database), ...uploadHandlers(database)];
}

function ticketGate({ folderFiles, tickets }: Database): HttpHandler {
  return http.all<{ id: string }>(`${AT}/*`, ({ request, params }) => {
    const { searchParams } = new URL(request.url);
    const ticket = request.headers.get('authorization')?.replace(/^Bearer /, '') ?? searchParams.get('ticket') ?? '';
    if (tickets.get(ticket) !== params.id) return problem(401, 'unauthenticated', 'the ticket is none of this folder, or has ended');
    if (!folderFiles.has(params.id)) folderFiles.set(params.id, new Map());
    return undefined;
  });
}

/** Where a request leads: `…/ID/files/a/b` is `a/b`. */
function placeIn({ folderFiles }: Database, request: Request, id: string): Place {
  const { pathname, searchParams } = new URL(request.url);
  return { files: folderFiles.get(id) ?? new Map<string, null>(), path: decodeURIComponent(pathname.split('/').slice(5).join('/')), query: searchParams };
}

const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const missing = (path: string) => problem(404, 'not-found', `there is no ${path}`);
const isDirectory = (files: Files, path: string) => path === '' || files.get(path) === null;

function entry(path: string, bytes: Uint8Array | null) {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return { name, path: path.split('/').map(encodeURIComponent).join('/'), kind: bytes ? 'file' : 'directory', size_bytes: bytes?.length ?? 0, modified_ms: Date.now(), mode: 0o644 };
}

function directoryHandlers(database: Database): HttpHandler[] {
  return [
    http.get<{ id: string }>(`${AT}/list/*`, ({ request, params }) => {
      const { files, path } = placeIn(database, request, params.id);
      if (!isDirectory(files, path)) return missing(path);
      return HttpResponse.json({ entries: [...files].filter(([one]) => parentOf(one) === path).map(([one, bytes]) => entry(one, bytes)), more_after: null });
    }),
    http.get<{ id: string }>(`${AT}/search/*`, ({ request, params }) => {
      const { files, path, query } = placeIn(database, request, params.id);
      const wanted = pattern(query.get('name') ?? '');
      const entries = [...files].map(([one, bytes]) => entry(one, bytes)).filter(({ name, path: one }) => wanted.test(name) && (path === '' || decodeURIComponent(one).startsWith(`${path}/`)));
      return HttpResponse.json({ entries, complete: true });
    }),
    http.post<{ id: string }>(`${AT}/directories/*`, ({ request, params }) => {
      const { files, path } = placeIn(database, request, params.id);
      if (files.has(path)) return problem(409, 'conflict', `${path} is there already`);
      if (!isDirectory(files, parentOf(path))) return missing(parentOf(path));
      files.set(path, null);
      return HttpResponse.json(entry(path, null), { status: 201 });
    }),
  ];
}

/** A part of a name, or a pattern with `*` and `?`. */
function pattern(text: string): RegExp {
  const isWhole = /[*?]/.test(text);
  const source = text.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.');
  return new RegExp(isWhole ? `^${source}$` : source, 'i');
}

function fileHandlers(database: Database): HttpHandler[] {
  return [
    http.get<{ id: string }>(`${AT}/files/*`, ({ request, params }) => {
      const { files, path } = placeIn(database, request, params.id);
      const bytes = files.get(path);
      return bytes ? HttpResponse.arrayBuffer(bytes.slice().buffer, { headers: { 'content-type': 'application/octet-stream' } }) : missing(path);
    }),
    http.post<{ id: string }>(`${AT}/move/*`, ({ request, params }) => {
      const { files, path, query } = placeIn(database, request, params.id);
      const to = decodeURIComponent(query.get('to') ?? '');
      if (!files.has(path)) return missing(path);
      if (files.has(to)) return problem(409, 'conflict', `${to} is there already`);
      if (!isDirectory(files, parentOf(to))) return missing(parentOf(to));
      for (const [one, bytes] of within(files, path)) {
        files.delete(one);
        files.set(to + one.slice(path.length), bytes);
      }
      return HttpResponse.json(entry(to, files.get(to) ?? null));
    }),
    http.delete<{ id: string }>(`${AT}/files/*`, ({ request, params }) => {
      const { files, path, query } = placeIn(database, request, params.id);
      if (!files.has(path)) return missing(path);
      const all = within(files, path);
      if (all.length > 1 && !query.has('recursive')) return problem(409, 'conflict', `${path} is not empty`);
      for (const [one] of all) files.delete(one);
      return new HttpResponse(null, { status: 204 });
    }),
  ];
}

/** It, and what is in it. */
const within = (files: Files, path: string) => [...files].filter(([one]) => one === path || one.startsWith(`${path}/`));

/** Uploads by tus 1.0.0: a file is there once it is whole, and not before. */
function uploadHandlers(database: Database): HttpHandler[] {
  const { uploads, folderFiles } = database;
  const used = () => [...folderFiles.values()].flatMap((files) => [...files.values()]).reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0);
  const end = (id: string) => {
    const upload = uploads.get(id);
    const files = upload && folderFiles.get(upload.folder);
    if (!upload || !files || upload.bytes.length < upload.length) return;
    const above = upload.path.split('/').slice(0, -1).map((_, at, parts) => parts.slice(0, at + 1).join('/'));
    for (const directory of above) if (!files.has(directory)) files.set(directory, null);
    files.set(upload.path, upload.bytes);
  };
  const offset = (at: number, also: Record<string, string> = {}) => ({ 'tus-resumable': '1.0.0', 'upload-offset': String(at), ...also });
  return [
    http.post<{ id: string }>(`${AT}/uploads`, ({ request, params }) => {
      const length = Number(request.headers.get('upload-length'));
      const given = new Map((request.headers.get('upload-metadata') ?? '').split(',').map((pair): [string, string] => { const [name = '', value = ''] = pair.trim().split(' '); return [name, value]; }));
      const path = new TextDecoder().decode(Uint8Array.from(atob(given.get('path') ?? ''), (letter) => letter.charCodeAt(0)));
      if (path === '' || path.split('/').includes('..')) return problem(400, 'malformed', '`Upload-Metadata` has to have `path`, in base64: from the folder\'s top to the new file');
      const there = folderFiles.get(params.id)?.get(path);
      if (there === null || (there && given.has('new'))) return problem(409, 'conflict', `${path} is there already`);
      if (used() + length > FOLDER_BYTES_MAX) return problem(507, 'no-space', 'the quota of the folder\'s owner is used up', { limit: 'folder_bytes or folder_files: the quota of the folder\'s owner' });
      const id = database.nextId('up');
      uploads.set(id, { folder: params.id, path, length, bytes: new Uint8Array() });
      end(id);
      return new HttpResponse(null, { status: 201, headers: offset(0, { location: `uploads/${id}` }) });
    }),
    http.head<{ id: string; upload: string }>(`${AT}/uploads/:upload`, ({ params }) => {
      const upload = uploads.get(params.upload);
      return upload ? new HttpResponse(null, { headers: offset(upload.bytes.length, { 'upload-length': String(upload.length) }) }) : new HttpResponse(null, { status: 404 });
    }),
    http.patch<{ id: string; upload: string }>(`${AT}/uploads/:upload`, async ({ request, params }) => {
      const upload = uploads.get(params.upload);
      if (!upload) return missing(`upload ${params.upload}`);
      if (request.headers.get('content-type') !== 'application/offset+octet-stream') return problem(415, 'media-type', 'the content type of a PATCH is application/offset+octet-stream');
      const at = Number(request.headers.get('upload-offset'));
      if (at !== upload.bytes.length) return problem(409, 'conflict', `the upload stands at ${String(upload.bytes.length)}, not at ${String(at)}`);
      upload.bytes = Uint8Array.from([...upload.bytes, ...new Uint8Array(await request.arrayBuffer())]);
      end(params.upload);
      return new HttpResponse(null, { status: 204, headers: offset(upload.bytes.length) });
    }),
    http.delete<{ id: string; upload: string }>(`${AT}/uploads/:upload`, ({ params }) => (uploads.delete(params.upload) ? new HttpResponse(null, { status: 204 }) : missing(`upload ${params.upload}`))),
  ];
}
