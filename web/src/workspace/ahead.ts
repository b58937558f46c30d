import type { QueryClient } from '@tanstack/react-query';
import { readText, type TextRead } from '../api/files';
import { filesQuery, languagesQuery, sessionQuery } from '../api/queries';
import { keptTabs } from './kept-tabs';

/** What was read longer ago is read again: it may be otherwise by now. */
const AHEAD_MS_MAX = 2_000;

type Ahead = { path: string; at: number; read: Promise<TextRead> };

/** By session, the file that will be looked at first, and those that have been opened since: nothing is read ahead for them. */
const begun = new Map<string, { ahead: Ahead | null; opened: Set<string> }>();

/** Asks at once for all that a workspace will ask for, before its page is there. Nobody waits for it; what fails is asked for again by whoever needs it. */
export function beginAhead(queries: QueryClient, session: string): void {
  begun.set(session, { ahead: null, opened: new Set() });
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
  const mine = begun.get(session);
  if (!mine || mine.opened.has(path)) return;
  const read = readText(session, path);
  read.catch(() => undefined);
  mine.ahead = { path, at: performance.now(), read };
}

/** The text of a file that is being opened, the first time from what was begun ahead. For nothing else: what was read ahead may be older than what was written since. */
export function readOpened(session: string, path: string): Promise<TextRead> {
  const mine = begun.get(session);
  mine?.opened.add(path);
  if (mine?.ahead?.path !== path) return readText(session, path);
  const { at, read } = mine.ahead;
  mine.ahead = null;
  return performance.now() - at < AHEAD_MS_MAX ? read : readText(session, path);
}
