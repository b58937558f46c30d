import { QueryClient, QueryClientProvider, useInfiniteQuery } from '@tanstack/react-query';
import { renderHook, waitFor } from '@testing-library/react';
import { http, HttpResponse } from 'msw';
import { beforeEach, expect, test } from 'vitest';
import { sessionListKey, sessionListQuery } from '../api/session-list';
import { database, server } from '../testing/setup';
import { useLiveSessions } from './use-live-sessions';

/** Nobody gets by before it is opened. */
class Gate {
  readonly passed: Promise<unknown>;
  open: () => void = () => undefined;

  constructor() {
    this.passed = new Promise((resolve) => { this.open = () => { resolve(null); }; });
  }
}

/** What the server does, as the tests let it: when it begins to tell what happens, and when its list, as it was when it was asked for, arrives. */
let hearing: Gate, arrival: Promise<unknown>, asked: number, tell: ((event: object) => void) | null;

beforeEach(() => {
  database.signedIn = true;
  hearing = new Gate();
  arrival = Promise.resolve();
  asked = 0;
  tell = null;
  server.use(
    http.get('*/api/v1/sessions', async () => {
      asked += 1;
      const items = [...database.sessions.values()];
      await arrival;
      return HttpResponse.json({ items, next_cursor: null });
    }),
    http.get('*/api/v1/events', async () => {
      await hearing.passed;
      const stream = new ReadableStream<Uint8Array>({ start: (to) => { tell = (event) => { to.enqueue(new TextEncoder().encode(`${JSON.stringify(event)}\n`)); }; } });
      return new HttpResponse(stream, { headers: { 'content-type': 'application/x-ndjson' } });
    }),
  );
});

/** A page with a list that is not asked for from time to time. */
function page() {
  const queries = new QueryClient();
  const list = { ...sessionListQuery({}), refetchInterval: false } as const;
  renderHook(
    () => {
      useLiveSessions();
      useInfiniteQuery(list);
    },
    { wrapper: ({ children }) => <QueryClientProvider client={queries}>{children}</QueryClientProvider> },
  );
  const shown = () => queries.getQueryData(list.queryKey)?.pages.flatMap(({ items }) => items.map(({ name, state }) => `${name} ${state}`));
  const isIdle = () => queries.isFetching({ queryKey: [sessionListKey] }) === 0;
  return { queries, shown, isIdle };
}

test('what happened between the list and the first event is seen', async () => {
  const { shown } = page();
  await waitFor(() => { expect(shown()).toEqual([]); });
  database.sessionCreate({ language: 'python', name: 'between' });
  hearing.open();
  await waitFor(() => { expect(shown()).toEqual(['between running']); });
});

test('a first list that is older than the first event, and comes later, is read again', async () => {
  const late = new Gate();
  arrival = late.passed;
  const { shown } = page();
  await waitFor(() => { expect(asked).toBe(1); });
  database.sessionCreate({ language: 'python', name: 'between' });
  hearing.open();
  await waitFor(() => { expect(tell).not.toBeNull(); });
  late.open();
  await waitFor(() => { expect(shown()).toEqual(['between running']); });
});

test('a list that was on its way undoes no change', async () => {
  const session = database.sessionCreate({ language: 'python', name: 'lesson' });
  const { queries, shown, isIdle } = page();
  hearing.open();
  await waitFor(() => { expect([shown(), asked, isIdle()]).toEqual([['lesson running'], 2, true]); });
  const late = new Gate();
  arrival = late.passed;
  void queries.invalidateQueries({ queryKey: [sessionListKey] });
  await waitFor(() => { expect(asked).toBe(3); });
  database.sessions.set(session.id, { ...session, state: 'suspended' });
  tell?.({ kind: 'session-changed', seq: 1, session: session.id });
  await waitFor(() => { expect(shown()).toEqual(['lesson suspended']); });
  late.open();
  await waitFor(() => { expect(isIdle()).toBe(true); });
  await waitFor(() => { expect(shown()).toEqual(['lesson suspended']); });
});

test('what happens while something is being read is read once more, however much it was', async () => {
  const session = database.sessionCreate({ language: 'python', name: 'lesson' });
  const late = new Gate();
  let views = 0;
  server.use(
    http.get('*/api/v1/sessions/:id', async () => {
      views += 1;
      await late.passed;
      return HttpResponse.json(session);
    }),
  );
  page();
  hearing.open();
  await waitFor(() => { expect(tell).not.toBeNull(); });
  const changed = async (seq: number) => {
    tell?.({ kind: 'session-changed', seq, session: session.id });
    await new Promise((gathered) => { setTimeout(gathered, 500); });
  };
  await changed(1);
  await waitFor(() => { expect(views).toBe(1); });
  for (const seq of [2, 3, 4]) await changed(seq);
  late.open();
  await waitFor(() => { expect(views).toBe(2); });
  await changed(5);
  await waitFor(() => { expect(views).toBe(3); });
});
