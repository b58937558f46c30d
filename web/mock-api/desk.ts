import { HttpResponse, type HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import type { Database, MockRun } from './database.ts';

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
    ...historyHandlers(database),
  ];
}

const USED: Schema['Usage'] = { wall_us: 1_000, cpu_user_us: 500, cpu_system_us: 100, memory_peak_bytes: 1_048_576, memory_kib_ms: 1, read_bytes: 0, written_bytes: 0 };

function summary({ id, given, at }: MockRun): Schema['RunSummary'] {
  return { id, title: given.code ?? given.files?.[0]?.path ?? null, state: 'finished', mode: given.code == null ? 'batch' : 'query', language: 'python', verdict: 'ok', created_at: at, finished_at: at };
}

function whole(run: MockRun): Omit<Schema['SharedRun'], 'expires_at'> {
  return { ...summary(run), given: run.given, stdout: run.given.code ?? '', stderr: '', media: [], usage: USED, exit_code: 0 };
}

function historyHandlers(database: Database): HttpHandler[] {
  const none = () => HttpResponse.json({ type: 'about:blank', title: 'not found', status: 404, code: 'not-found', detail: 'no such run', request_id: 'req_mock', refusals: [] }, { status: 404 });
  return [
    http.get('/api/v1/sessions/{id}/runs', ({ params, response }) => response(200).json({ items: [...database.runs.values()].filter(({ session }) => session === params.id).toReversed().map(summary) })),
    http.get('/api/v1/runs/{id}', ({ params, response }) => {
      const run = database.runs.get(params.id);
      return run ? response(200).json({ ...whole(run), id: run.id, session: run.session }) : response.untyped(none());
    }),
    http.get('/api/v1/runs/{id}/given', ({ params, response }) => {
      const run = database.runs.get(params.id);
      return run ? response(200).json(run.given) : response.untyped(none());
    }),
    http.get('/api/v1/runs/{id}/shares', ({ params, response }) => response(200).json({ items: [...database.shares.values()].filter(({ run }) => run === params.id).map(({ share }) => share) })),
    http.post('/api/v1/runs/{id}/shares', ({ params, request, response }) => {
      const secret = database.nextId('secret');
      const share: Schema['RunShareView'] = { id: database.nextId('shr'), created_at: new Date().toISOString(), expires_at: new Date(Date.now() + 7 * 86_400_000).toISOString() };
      database.shares.set(secret, { run: params.id, share });
      return response(201).json({ ...share, secret, url: `${new URL(request.url).origin}/shared#${secret}` });
    }),
    http.delete('/api/v1/runs/{id}/shares/{share}', ({ params, response }) => {
      for (const [secret, { share }] of database.shares) if (share.id === params.share) database.shares.delete(secret);
      return response(204).empty();
    }),
    http.get('/api/v1/shared-run', ({ request, response }) => {
      const shared = database.shares.get(request.headers.get('x-share') ?? '');
      const run = shared && database.runs.get(shared.run);
      return run ? response(200).json({ ...whole(run), expires_at: shared.share.expires_at }) : response.untyped(none());
    }),
  ];
}
