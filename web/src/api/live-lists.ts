import type { InfiniteData, Query, QueryClient } from '@tanstack/react-query';
import { body, client, type Schema } from './client';
import { sessionQuery } from './queries';
import { sessionListKey, withChanged, type SessionSearch } from './session-list';

type List = InfiniteData<Schema['Page_SessionView'], string>;

/** With more changes than this at once the whole list is asked for. */
const CHANGED_MAX = 32;
/** So many answers that were on their way are waited for; a long list comes in one less than these at most. */
const ANSWERS_MAX = 32;
/** An answer that takes longer comes with the next look at the whole list. */
const ANSWER_WAIT_MS = 60_000;

/** Whether the answer that was on its way came in time. */
const answered = async ({ promise }: Query): Promise<boolean> => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => { timer = setTimeout(() => { resolve(false); }, ANSWER_WAIT_MS); });
  const answer = Promise.resolve(promise).then(() => true, () => true);
  const inTime = await Promise.race([answer, late]);
  clearTimeout(timer);
  return inTime;
};

const lists = (queries: QueryClient) => queries.getQueryCache().findAll({ queryKey: [sessionListKey] });

/** Asks anew for every list that is looked at. */
export async function readListsAgain(queries: QueryClient): Promise<void> {
  // One that has no answer so far is not asked for anew while the first question, which may be older, is on its way.
  const first = lists(queries).filter(({ state }) => state.data === undefined && state.fetchStatus === 'fetching');
  await Promise.allSettled(first.map(({ promise }) => promise));
  await queries.invalidateQueries({ queryKey: [sessionListKey] });
}

/** Reads these sessions and brings them into every list as they are now. */
export async function renewSessions(queries: QueryClient, ids: readonly string[]): Promise<void> {
  if (ids.length > CHANGED_MAX) {
    await readListsAgain(queries);
    return;
  }
  const views = await Promise.all(ids.map((id) => body(client.GET('/api/v1/sessions/{id}', { params: { path: { id } } })).catch(() => null)));
  const changed = new Map(views.flatMap((view) => (view ? [[view.id, view] as const] : [])));
  for (const [id, view] of changed) queries.setQueryData(sessionQuery(id).queryKey, view);
  await Promise.all(lists(queries).map((list) => bringInto(queries, list, changed)));
}

/** Brings changes into a list, and again after each answer that was on its way meanwhile: it may be older, and says less of each. */
async function bringInto(queries: QueryClient, list: Query, changed: ReadonlyMap<string, Schema['SessionView']>): Promise<void> {
  const search = list.queryKey[1] as SessionSearch;
  for (let answers = 0; answers < ANSWERS_MAX; answers += 1) {
    queries.setQueryData<List>(list.queryKey, (known) => known && withChanged(known, search, changed));
    if (list.state.fetchStatus !== 'fetching') return;
    if (!(await answered(list))) return;
  }
}
