import type { HttpHandler } from 'msw';
import { HttpResponse } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import { HOME_PROJECT, USER, type Database } from './database.ts';
import { nameRefused, notFound, problem } from './problem.ts';

type Schema = components['schemas'];
type Made = Schema['ImageView'] & { committed: Schema['ImageCommitted'] };

const http = createOpenApiHttp<paths>({ baseUrl: '*' });
const NODE = { node: 'node_1', name: 'here' };
/** What looks like a secret by its name. */
const SECRET = /(^|\/)(\.env|id_rsa|id_ed25519|credentials)$/;

/** The machine's own image, and those that were made of sessions. */
export function imageHandlers(database: Database): HttpHandler[] {
  const { images } = database;
  const host = (): Schema['ImageView'] => ({ name: 'host', languages: database.languages.map(({ id }) => id), size_bytes: 0 });
  /** Sessions count while they live. */
  const shown = (image: Made): Made => ({ ...image, committed: { ...image.committed, sessions: [...database.sessions.values()].filter(({ image: name }) => name === `commit/${image.committed.id}`).length } });
  const found = (text: string) => images.get(text) ?? [...images.values()].find(({ name }) => name === text);
  return [
    http.get('/api/v1/images', ({ response }) => response(200).json({ items: [host(), ...[...images.values()].map(shown)] })),
    http.get('/api/v1/images/{id}', ({ params, response }) => {
      const image = found(params.id);
      return image ? response(200).json(shown(image)) : response.untyped(notFound(`image ${params.id}`));
    }),
    http.patch('/api/v1/images/{id}', async ({ params, request, response }) => {
      const { name, shared } = await request.json();
      const image = found(params.id);
      const refused = image ? (name == null ? null : nameRefused(name)) : notFound(`image ${params.id}`);
      if (refused || !image) return response.untyped(refused ?? notFound('image'));
      const project = shared == null ? {} : { project: shared ? HOME_PROJECT : null };
      const changed = { ...image, name: name ?? image.name, committed: { ...image.committed, ...project } };
      images.set(image.committed.id, changed);
      return response(200).json(shown(changed));
    }),
    http.delete('/api/v1/images/{id}', ({ params, response }) => {
      const image = found(params.id);
      if (!image) return response.untyped(notFound(`image ${params.id}`));
      const { sessions } = shown(image).committed;
      if (sessions > 0) return response.untyped(problem(409, 'conflict', `${String(sessions)} sessions are made of the image \`${image.name}\`; end them first`));
      images.delete(image.committed.id);
      return response(200).json(shown(image));
    }),
    http.post('/api/v1/images/{id}/prefetch', async ({ params, request, response }) => {
      const { nodes } = await request.json();
      const image = found(params.id);
      if (!image) return response.untyped(notFound(`image ${params.id}`));
      const unknown = nodes?.find((node) => node !== NODE.node && node !== NODE.name);
      return unknown === undefined ? response(200).json({ nodes: [NODE] }) : response.untyped(notFound(`node ${unknown}`));
    }),
    http.get('/api/v1/images/{id}/export', ({ params, response }) => response.untyped(found(params.id) ? HttpResponse.arrayBuffer(new ArrayBuffer(10_240), { headers: { 'content-type': 'application/x-tar' } }) : notFound(`image ${params.id}`))),
    commitHandler(database),
  ];
}

function commitHandler(database: Database): HttpHandler {
  return http.post('/api/v1/sessions/{id}/commit', async ({ params, request, response }) => {
    const { name, allow_secrets } = await request.json();
    const session = database.sessions.get(params.id);
    const refused = session ? nameRefused(name) : notFound('session');
    if (refused || !session) return response.untyped(refused ?? notFound('session'));
    if (session.state !== 'running' && session.state !== 'suspended') return response.untyped(problem(409, 'conflict', `the session is ${session.state}`));
    const files = database.files.get(session.id) ?? new Map<string, Uint8Array>();
    const secrets = [...files.keys()].filter((path) => SECRET.test(path)).map((path) => ({ path, what: 'a secret by its name' }));
    if (secrets.length > 0 && allow_secrets !== true) {
      const detail = `${String(secrets.length)} files look like secrets, and who uses the image could read them: ${secrets.map(({ path, what }) => `${path} (${what})`).join(', ')}; remove them, or say \`allow_secrets\``;
      return response.untyped(problem(409, 'conflict', detail, { field: 'allow_secrets' }));
    }
    const id = database.nextId('img');
    const committed = { id, owner: USER.id, session: session.id, base: session.image, sessions: 0, nodes: 1, created_at: new Date().toISOString() };
    const image: Made = { name, digest: `sha256:${id}`, languages: session.language ? [session.language] : [], size_bytes: [...files.values()].reduce((sum, { length }) => sum + length, 0), committed };
    database.images.set(id, image);
    return response(201).json({ image, left_out: [], left_out_count: 0, secrets, secret_count: secrets.length, frozen_ms: 1 });
  });
}
