import { useQueryClient, type InfiniteData, type QueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { body, client, type Schema } from '../api/client';
import { sessionQuery } from '../api/queries';
import { serverEvents, type ServerEvent } from '../api/server-events';
import { sessionListKey, withChanged, type SessionSearch } from '../api/session-list';

/** Changes are gathered this long, so that a busy server does not keep a page busy. */
const GATHER_MS = 400;
/** With more changes than this at once the whole list is asked for. */
const CHANGED_MAX = 32;

/** Keeps lists of sessions, and sessions, as they are now, for as long as somebody looks. */
export function useLiveSessions(onEvent?: (event: ServerEvent) => void): void {
  const queries = useQueryClient();
  useEffect(() => {
    const stop = new AbortController();
    const touched = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const listen = async () => {
      for await (const event of serverEvents(stop.signal)) {
        onEvent?.(event);
        const session = sessionOf(event);
        if (!session) continue;
        touched.add(session);
        timer ??= setTimeout(() => {
          timer = undefined;
          const ids = [...touched];
          touched.clear();
          void renew(queries, ids);
        }, GATHER_MS);
      }
    };
    // Lists are asked for from time to time all the same.
    listen().catch(() => undefined);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [queries, onEvent]);
}

function sessionOf(event: ServerEvent): string | null {
  if (event.kind === 'session-changed' || event.kind === 'run-started' || event.kind === 'run-finished') return event.session ?? null;
  return null;
}

async function renew(queries: QueryClient, ids: readonly string[]): Promise<void> {
  if (ids.length > CHANGED_MAX) {
    await queries.invalidateQueries({ queryKey: [sessionListKey] });
    return;
  }
  const views = await Promise.all(ids.map((id) => body(client.GET('/api/v1/sessions/{id}', { params: { path: { id } } })).catch(() => null)));
  const changed = new Map(views.flatMap((view) => (view ? [[view.id, view] as const] : [])));
  for (const [id, view] of changed) queries.setQueryData(sessionQuery(id).queryKey, view);
  for (const [key, list] of queries.getQueriesData<InfiniteData<Schema['Page_SessionView'], string>>({ queryKey: [sessionListKey] })) {
    if (list) queries.setQueryData(key, withChanged(list, key[1] as SessionSearch, changed));
  }
}
