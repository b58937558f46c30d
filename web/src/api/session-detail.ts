import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { body, client, type Schema } from './client';

const LOGS_MAX = 200;
/** Runs whose results are asked for, the latest ones. */
const RUNS_MAX = 12;
const REFRESH_MS = 5_000;
const SAMPLE_MS = 2_000;

/** Asked for once more when the session is over: what its programs wrote last may have come after the last look. */
export const sessionLogsQuery = (id: string, isLive: boolean) =>
  queryOptions({
    queryKey: ['session-logs', id, isLive],
    placeholderData: keepPreviousData,
    queryFn: async () => (await body(client.GET('/api/v1/sessions/{id}/logs', { params: { path: { id }, query: { limit: LOGS_MAX } } }))).items,
    refetchInterval: isLive ? REFRESH_MS : false,
  });

/** The results of runs, of the first of them. */
export const runResultsQuery = (runs: readonly string[]) => {
  const latest = runs.slice(0, RUNS_MAX);
  return queryOptions({
    queryKey: ['run-results', latest],
    queryFn: async () => {
      const found = await Promise.all(latest.map((id) => body(client.GET('/api/v1/runs/{id}', { params: { path: { id } } })).catch(() => null)));
      return found.filter((run): run is Schema['RunView'] => run !== null);
    },
    refetchInterval: ({ state }) => (state.data?.some(({ state }) => state !== 'finished') ? SAMPLE_MS : false),
  });
};

export const sessionUsageQuery = (id: string, isLive: boolean) =>
  queryOptions({
    queryKey: ['session-usage', id, isLive],
    placeholderData: keepPreviousData,
    queryFn: async () => ({ at: Date.now(), usage: await body(client.GET('/api/v1/sessions/{id}/usage', { params: { path: { id } } })) }),
    refetchInterval: isLive ? SAMPLE_MS : false,
    retry: false,
  });

export const sessionAppsQuery = (id: string) =>
  queryOptions({
    queryKey: ['session-apps', id],
    queryFn: async () => (await body(client.GET('/api/v1/sessions/{id}/apps', { params: { path: { id } } }))).items,
    refetchInterval: REFRESH_MS,
    retry: false,
  });
