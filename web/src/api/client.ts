import createClient, { type Middleware } from 'openapi-fetch';
import type { components, paths } from './generated';
import { problemOf, unreachable, unreadable } from './problem';

export type Schema = components['schemas'];

const CSRF = 'X-CSRF-Token';
const SAFE = new Set(['GET', 'HEAD']);

/** What unsafe requests repeat; the server says it to whoever has signed in. Kept in memory alone: no other page can read it. */
let csrf: string | null = null;

export function rememberCsrf(token: string | null | undefined): void {
  csrf = token ?? null;
}

/** `fetch` as this server wants it: ours alone, with the token; throws a Problem for whatever is no good answer. */
async function send(request: Request): Promise<Response> {
  if (!SAFE.has(request.method) && csrf) request.headers.set(CSRF, csrf);
  const answer = await fetch(request).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw unreachable();
  });
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

/** The same, by an address. */
export function sendTo(path: string, options: RequestInit = {}): Promise<Response> {
  return send(new Request(new URL(path, location.origin), options));
}

const problems: Middleware = {
  async onResponse({ response }) {
    if (!response.ok) throw await problemOf(response);
  },
  onError() {
    return unreachable();
  },
  onRequest({ request }) {
    if (!SAFE.has(request.method) && csrf) request.headers.set(CSRF, csrf);
    return request;
  },
};

// `fetch` is looked up at each request: tests put another in its place.
export const client = createClient<paths>({ baseUrl: location.origin, fetch: (request) => fetch(request) });
client.use(problems);

/** The body of an answer that has one. */
export async function body<T>(answer: Promise<{ data?: T; response: Response }>): Promise<T> {
  const { data, response } = await answer;
  if (data === undefined) throw unreadable(response.status);
  return data;
}
