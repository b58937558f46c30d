import { http as anyHttp, HttpResponse, type HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import { adminHandlers } from './admin.ts';
import { consoleHandlers } from './console.ts';
import { folderHandlers } from './folders.ts';
import { imageHandlers } from './images.ts';
import { keyHandlers } from './keys.ts';
import { moneyHandlers } from './money.ts';
import { planHandlers } from './plan.ts';
import { settingsHandlers } from './settings.ts';
import { sharingHandlers } from './sharing.ts';
import { storageHandlers } from './storage.ts';
import { CSRF, USER, type Database, type MockRun } from './database.ts';
import { problem } from './problem.ts';
import { deskHandlers } from './desk.ts';

type Schema = components['schemas'];

const LINES = 'application/x-ndjson';
const http = createOpenApiHttp<paths>({ baseUrl: '*' });

const signin = (): Schema['SigninView'] => ({ user: USER.id, name: USER.name, role: 'system-administrator', via: 'cookie', csrf: CSRF });

/** The API in memory, typed by the same document as the client: for `npm run dev` and for tests. */
export function handlers(database: Database): HttpHandler[] {
  const parts = [signinHandlers, sessionHandlers, fileHandlers, runHandlers, deskHandlers, consoleHandlers, imageHandlers, folderHandlers, sharingHandlers, storageHandlers, keyHandlers, moneyHandlers, planHandlers, adminHandlers, settingsHandlers];
  return [gate(database), ...parts.flatMap((part) => part(database))];
}

const OPEN = ['/api/v1/shared-run', '/api/v1/signin/providers', '/api/v1/announcements/public', '/api/v1/links/use', '/healthz'];

/** As the server: whoever has not signed in gets nothing, and what changes something repeats the token. */
function gate(database: Database): HttpHandler {
  return anyHttp.all('*', ({ request }) => {
    const { pathname } = new URL(request.url);
    const signsIn = request.method === 'POST' && pathname === '/api/v1/signin';
    if (OPEN.includes(pathname) || signsIn || !pathname.startsWith('/api/')) return undefined;
    if (!database.signedIn) return problem(401, 'unauthenticated', 'sign in first');
    const safe = request.method === 'GET' || request.method === 'HEAD';
    if (!safe && request.headers.get('x-csrf-token') !== CSRF) return problem(403, 'forbidden', 'the token is missing');
    return undefined;
  });
}

function signinHandlers(database: Database): HttpHandler[] {
  return [
    anyHttp.get('*/healthz', () => HttpResponse.json({ status: 'ok' })),
    http.get('/api/v1/signin', ({ response }) => response(200).json(signin())),
    http.post('/api/v1/signin', async ({ request, response }) => {
      const given = await request.json();
      if (given.name !== USER.name || given.password !== USER.password) return response.untyped(problem(401, 'unauthenticated', 'the name or the password is wrong'));
      database.signedIn = true;
      return response(200).json(signin());
    }),
    http.delete('/api/v1/signin', ({ response }) => {
      database.signedIn = false;
      return response(204).empty();
    }),
    http.post('/api/v1/links/use', ({ response }) => response(200).json({ name: USER.name })),
    http.get('/api/v1/signin/providers', ({ response }) => response(200).json({ items: [{ name: 'school', title: 'The school', url: '/api/v1/signin/providers/school' }] })),
    http.get('/api/v1/announcements/public', ({ response }) => response(200).json({ items: [] })),
    http.get('/api/v1/languages', ({ response }) => response(200).json({ items: database.languages })),
  ];
}

function sessionHandlers(database: Database): HttpHandler[] {
  return [
    http.get('/api/v1/sessions', ({ request, response }) => response(200).json(database.sessionPage(new URL(request.url).searchParams))),
    http.post('/api/v1/sessions', async ({ request, response }) => response(201).json(database.sessionCreate(await request.json()))),
    http.get('/api/v1/sessions/{id}', ({ params, response }) => {
      const session = database.sessions.get(params.id);
      return session ? response(200).json(session) : response.untyped(problem(404, 'not-found', 'no such session'));
    }),
    http.delete('/api/v1/sessions/{id}', ({ params, response }) => {
      const session = database.sessions.get(params.id);
      database.sessions.delete(params.id);
      return session ? response(200).json({ ...session, state: 'ended' }) : response.untyped(problem(404, 'not-found', 'no such session'));
    }),
  ];
}

const FILES = '*/api/v1/sessions/:id/files';

function fileHandlers(database: Database): HttpHandler[] {
  const place = (request: Request, id: string) => {
    const path = decodeURIComponent(new URL(request.url).pathname.split('/files/')[1] ?? '');
    return { path, files: database.files.get(id) };
  };
  return [
    http.get('/api/v1/sessions/{id}/files', ({ params, response }) => {
      const entry = ([path, bytes]: [string, Uint8Array]): Schema['FileEntry'] => ({ path, kind: 'file', size_bytes: bytes.length, mode: 0o644, modified_at: new Date().toISOString() });
      return response(200).json({ items: [...(database.files.get(params.id) ?? [])].map(entry) });
    }),
    anyHttp.get<{ id: string }>(`${FILES}/*`, ({ request, params }) => {
      const { path, files } = place(request, params.id);
      const bytes = files?.get(path);
      return bytes ? HttpResponse.arrayBuffer(bytes.slice().buffer, { headers: { 'content-type': 'application/octet-stream' } }) : problem(404, 'not-found', `no file ${path}`);
    }),
    anyHttp.put<{ id: string }>(`${FILES}/*`, async ({ request, params }) => {
      const { path, files } = place(request, params.id);
      const bytes = new Uint8Array(await request.arrayBuffer());
      files?.set(path, bytes);
      return HttpResponse.json({ path, size_bytes: bytes.length } satisfies Schema['FileWritten']);
    }),
    anyHttp.delete<{ id: string }>(`${FILES}/*`, ({ request, params }) => {
      const { path, files } = place(request, params.id);
      files?.delete(path);
      return new HttpResponse(null, { status: 204 });
    }),
  ];
}

function runHandlers(database: Database): HttpHandler[] {
  return [
    http.post('/api/v1/sessions/{id}/runs', async ({ params, request, response }) => {
      const asked = await request.json();
      const run = database.runCreate(params.id, asked);
      const location = `/api/v1/runs/${run.id}`;
      if (request.headers.get('accept') === LINES) return response.untyped(eventLines(run, -1, { location }));
      const ended: Partial<Schema['RunView']> = asked.wait === true ? { state: 'finished', verdict: 'ok' } : {};
      return response(201).json({ id: run.id, session: run.session, state: 'running', mode: asked.mode ?? 'batch', created_at: new Date().toISOString(), stdout: '', stderr: '', ...ended });
    }),
    anyHttp.get<{ id: string }>('*/api/v1/runs/:id/events', ({ params, request }) => {
      const run = database.runs.get(params.id);
      if (!run) return problem(404, 'not-found', 'no such run');
      const after = Number(request.headers.get('last-event-id') ?? -1);
      return eventLines(run, after, {});
    }),
  ];
}

function eventLines(run: MockRun, after: number, headers: Record<string, string>): HttpResponse<string> {
  const lines = run.events.filter(({ seq }) => seq > after).map((event) => `${JSON.stringify(event)}\n`);
  return new HttpResponse(lines.join(''), { headers: { 'content-type': LINES, ...headers } });
}
