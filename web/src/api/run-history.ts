import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { body, client, sendTo, type Schema } from './client';
import { isPassing } from './problem';

const PAGE = 30;
const REFRESH_MS = 5_000;

/** The runs of a session, newest first, a page at a time. */
export const runListQuery = (session: string) =>
  infiniteQueryOptions({
    queryKey: ['run-list', session],
    queryFn: ({ pageParam }) => body(client.GET('/api/v1/sessions/{id}/runs', { params: { path: { id: session }, query: { limit: PAGE, ...(pageParam === '' ? {} : { cursor: pageParam }) } } })),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: REFRESH_MS,
  });

export type RunToldWhole = { result: Schema['RunView']; given: Schema['RunGiven'] | null };

/** A run with what it was given, where that is kept. */
export const runWholeQuery = (run: string) =>
  queryOptions({
    queryKey: ['run-whole', run],
    queryFn: async (): Promise<RunToldWhole> => {
      const path = { id: run };
      const given = body(client.GET('/api/v1/runs/{id}/given', { params: { path } })).catch(() => null);
      return { result: await body(client.GET('/api/v1/runs/{id}', { params: { path } })), given: await given };
    },
    refetchInterval: ({ state }) => (state.data && state.data.result.state !== 'finished' ? REFRESH_MS : false),
  });

/** Whether the session has such a query. Throws where nobody answers. */
export async function isQueryOf(session: string, run: string): Promise<boolean> {
  try {
    const view = await body(client.GET('/api/v1/runs/{id}', { params: { path: { id: run } } }));
    return view.session === session && view.mode === 'query';
  } catch (error) {
    if (isPassing(error)) throw error;
    return false;
  }
}

export const runSharesQuery = (run: string) =>
  queryOptions({ queryKey: ['run-shares', run], queryFn: async () => (await body(client.GET('/api/v1/runs/{id}/shares', { params: { path: { id: run } } }))).items });

export function shareRun(run: string, days: number): Promise<Schema['RunShareView']> {
  return body(client.POST('/api/v1/runs/{id}/shares', { params: { path: { id: run } }, body: { expires_in_ms: days * 86_400_000 } }));
}

export async function unshareRun(run: string, share: string): Promise<void> {
  await client.DELETE('/api/v1/runs/{id}/shares/{share}', { params: { path: { id: run, share } } });
}

/** The run that a link shows. Nobody has to have signed in. */
export const sharedRunQuery = (secret: string) =>
  queryOptions({
    queryKey: ['shared-run', secret],
    queryFn: async () => (await (await sendTo('/api/v1/shared-run', { headers: { 'x-share': secret }, credentials: 'omit' })).json()) as Schema['SharedRun'],
    enabled: secret !== '',
    retry: false,
  });
