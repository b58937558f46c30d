import { queryOptions } from '@tanstack/react-query';
import { body, client, rememberCsrf } from './client';
import { listFiles } from './files';

const LIST_MAX = 200;
/** Lists are asked for again this often while somebody looks at them. */
const REFRESH_MS = 5_000;

/** Who has signed in; a Problem with 401 where nobody has. */
export const signinQuery = queryOptions({
  queryKey: ['signin'],
  queryFn: async () => {
    const signin = await body(client.GET('/api/v1/signin'));
    rememberCsrf(signin.csrf);
    return signin;
  },
  staleTime: Infinity,
  retry: false,
});

export const providersQuery = queryOptions({
  queryKey: ['providers'],
  queryFn: async () => (await body(client.GET('/api/v1/signin/providers'))).items,
  retry: false,
});

export const announcementsQuery = queryOptions({
  queryKey: ['announcements'],
  queryFn: async () => (await body(client.GET('/api/v1/announcements/public'))).items,
  retry: false,
});

export const languagesQuery = queryOptions({
  queryKey: ['languages'],
  queryFn: async () => (await body(client.GET('/api/v1/languages'))).items,
  staleTime: 60_000,
});

/** The sessions that live now, newest first. */
export const sessionsQuery = queryOptions({
  queryKey: ['sessions'],
  queryFn: () => body(client.GET('/api/v1/sessions', { params: { query: { limit: LIST_MAX, filter: 'live' } } })),
  refetchInterval: REFRESH_MS,
});

/** The same of one person. */
export const ownSessionsQuery = (owner: string) =>
  queryOptions({
    queryKey: ['sessions', owner],
    queryFn: () => body(client.GET('/api/v1/sessions', { params: { query: { limit: LIST_MAX, filter: `live owner:${owner}` } } })),
    refetchInterval: REFRESH_MS,
  });

/** What everybody who has signed in is told now. */
export const toldQuery = queryOptions({ queryKey: ['announcements', 'now'], queryFn: async () => (await body(client.GET('/api/v1/announcements'))).items, refetchInterval: 60_000 });

export const sessionQuery = (id: string) =>
  queryOptions({
    queryKey: ['session', id],
    queryFn: () => body(client.GET('/api/v1/sessions/{id}', { params: { path: { id } } })),
    refetchInterval: REFRESH_MS,
  });

/** Whom the asker may know of. */
export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: async () => (await body(client.GET('/api/v1/users'))).items,
  staleTime: 10_000,
});

export const imagesQuery = queryOptions({
  queryKey: ['images'],
  queryFn: async () => (await body(client.GET('/api/v1/images'))).items,
  staleTime: 10_000,
});

/** The entries of a directory of a session. */
export const filesQuery = (session: string, path: string) => queryOptions({ queryKey: ['files', session, path], queryFn: () => listFiles(session, path) });
