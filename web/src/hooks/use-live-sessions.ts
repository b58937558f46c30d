import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { readListsAgain, renewSessions } from '../api/live-lists';
import { serverEvents, type ServerEvent } from '../api/server-events';

/** Changes are gathered this long, so that a busy server does not keep a page busy. */
const GATHER_MS = 400;

/** Keeps lists of sessions, and sessions, as they are now, for as long as somebody looks. */
export function useLiveSessions(onEvent?: (event: ServerEvent) => void): void {
  const queries = useQueryClient();
  useEffect(() => {
    const stop = new AbortController();
    const touched = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    // One after another: what is asked for later is newer.
    let last: Promise<void> = Promise.resolve();
    const next = (renew: () => Promise<void>) => { last = last.then(() => (stop.signal.aborted ? undefined : renew())).catch(() => undefined); };
    const listen = async () => {
      // What happened between a list and the first that is heard after it, nobody tells.
      for await (const event of serverEvents(stop.signal, () => { next(() => readListsAgain(queries)); })) {
        onEvent?.(event);
        const session = sessionOf(event);
        if (!session) continue;
        touched.add(session);
        // Taken when its turn comes: what happens while another one takes its time is one more, not many.
        timer ??= setTimeout(() => {
          next(() => {
            timer = undefined;
            const ids = [...touched];
            touched.clear();
            return renewSessions(queries, ids);
          });
        }, GATHER_MS);
      }
    };
    // Lists are asked for from time to time all the same.
    listen().catch(() => undefined);
    // What was not yet renewed is read again by whoever listens next.
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
