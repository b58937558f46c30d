import { HttpResponse } from 'msw';
import type { components } from '../src/api/generated';

/** A failure as the server says it. */
export function problem(status: number, code: components['schemas']['Problem']['code'], detail: string) {
  const body: components['schemas']['Problem'] = { type: `urn:madang:problem:${code}`, title: code, status, code, detail, request_id: 'req_mock', refusals: [] };
  return HttpResponse.json(body, { status, headers: { 'content-type': 'application/problem+json' } });
}
