import { HttpResponse } from 'msw';
import type { components } from '../src/api/generated';

type Document = components['schemas']['Problem'];
/** The service of files has codes of its own, which the API's document does not list. */
type Code = Document['code'] | 'no-space';

/** A failure as the server says it. */
export function problem(status: number, code: Code, detail: string, also: Partial<Pick<Document, 'field' | 'limit' | 'possible'>> = {}) {
  const body = { type: `urn:madang:problem:${code}`, title: code, status, code, detail, request_id: 'req_mock', refusals: [], ...also };
  return HttpResponse.json(body, { status, headers: { 'content-type': 'application/problem+json' } });
}

export const invalid = (field: string, detail: string) => problem(422, 'invalid', detail, { field });

export const notFound = (what: string) => problem(404, 'not-found', `${what} not found`);

const NAME_CHARS_MAX = 128;

/** Why something cannot be called so; nothing where it can. */
export function nameRefused(name: string) {
  if (name.length > NAME_CHARS_MAX) return problem(422, 'limit', `\`name\` has at most ${String(NAME_CHARS_MAX)} characters`, { field: 'name', limit: 'NAME_CHARS_MAX' });
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) ? null : invalid('name', 'a name begins with a letter or digit and has letters, digits, `.`, `_` and `-`');
}
