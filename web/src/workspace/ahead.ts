import type { QueryClient } from '@tanstack/react-query';
import { readText, type TextRead } from '../api/files';
import { filesQuery, languagesQuery, sessionQuery } from '../api/queries';
import { keptTabs } from './kept-tabs';

/** What was read longer ago is read again: it may be otherwise by now. */
const AHEAD_MS_MAX = 2_000;

type Ahead = { path: string; at: number; read: Promise<TextRead> };

/** By session, the file that will be looked at first. */
const reads = new Map<string, Ahead>();

/** Asks at once for all that a workspace will ask for, before its page is there. Nobody waits for it; what fails is asked for again by whoever needs it. */
export function beginAhead(queries: QueryClient, session: string): void {
  const known = queries.getQueryData(sessionQuery(session).queryKey);
  void queries.prefetchQuery(sessionQuery(session));
  void queries.prefetchQuery(languagesQuery);
  // One that is still being made has no files yet.
  if (known && known.state !== 'running') return;
  void queries.prefetchQuery(filesQuery(session, ''));
  const kept = keptTabs(session).active;
  if (kept !== null) readAhead(session, kept);
  else void readMainAhead(queries, session).catch(() => undefined);
}

async function readMainAhead(queries: QueryClient, session: string): Promise<void> {
  const [{ language }, languages, files] = await Promise.all([queries.fetchQuery(sessionQuery(session)), queries.fetchQuery(languagesQuery), queries.fetchQuery(filesQuery(session, ''))]);
  const main = languages.find(({ id }) => id === language)?.main;
  if (main !== undefined && files.some(({ path }) => path === main)) readAhead(session, main);
}

function readAhead(session: string, path: string): void {
  const read = readText(session, path);
  read.catch(() => undefined);
  reads.set(session, { path, at: performance.now(), read });
}

/** A file's text, once from what was begun ahead. */
export function readBegun(session: string, path: string): Promise<TextRead> {
  const ahead = reads.get(session);
  if (ahead?.path !== path) return readText(session, path);
  reads.delete(session);
  return performance.now() - ahead.at < AHEAD_MS_MAX ? ahead.read : readText(session, path);
}
