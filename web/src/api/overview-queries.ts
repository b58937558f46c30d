import { queryOptions } from '@tanstack/react-query';
import type { IntlShape } from 'react-intl';
import { body, client } from './client';
import { sessionFilter, sessionListKey, type SessionSearch } from './session-list';

const COUNTED_MAX = 1_000;
const REFRESH_MS = 10_000;

/** How many sessions are like that; of many, that there are more than are counted. */
export const sessionCountQuery = (search: SessionSearch) =>
  queryOptions({
    queryKey: ['session-count', sessionListKey, search],
    queryFn: async () => {
      const { items, next_cursor } = await body(client.GET('/api/v1/sessions', { params: { query: { limit: COUNTED_MAX, filter: sessionFilter(search) } } }));
      return { count: items.length, text: (intl: IntlShape) => `${intl.formatNumber(items.length)}${next_cursor ? '+' : ''}` };
    },
    refetchInterval: REFRESH_MS,
  });
