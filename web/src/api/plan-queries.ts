import { queryOptions } from '@tanstack/react-query';
import { body, client } from './client';

const REFRESH_MS = 10_000;

/** Reservations that are not over, the first to begin first. */
export const reservationsQuery = queryOptions({
  queryKey: ['reservations'],
  queryFn: async () => (await body(client.GET('/api/v1/reservations'))).items,
  refetchInterval: REFRESH_MS,
});
