import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { body, client } from './client';

const REFRESH_MS = 5_000;
const AUDIT_PAGE = 100;
const ANNOUNCEMENTS_MAX = 100;

export const organizationsQuery = queryOptions({ queryKey: ['organizations'], queryFn: async () => (await body(client.GET('/api/v1/organizations'))).items });

export const projectsQuery = queryOptions({ queryKey: ['projects'], queryFn: async () => (await body(client.GET('/api/v1/projects'))).items });

export const membersQuery = (id: string) =>
  queryOptions({ queryKey: ['members', id], queryFn: async () => (await body(client.GET('/api/v1/projects/{id}/members', { params: { path: { id } } }))).items });

export const policiesQuery = queryOptions({ queryKey: ['policies'], queryFn: async () => (await body(client.GET('/api/v1/policies'))).items });

export const nodesQuery = queryOptions({ queryKey: ['nodes'], queryFn: async () => (await body(client.GET('/api/v1/nodes'))).items, refetchInterval: REFRESH_MS });

export const groupsQuery = queryOptions({ queryKey: ['resource-groups'], queryFn: async () => (await body(client.GET('/api/v1/resource-groups'))).items, refetchInterval: REFRESH_MS });

export const queueQuery = (group: string) =>
  queryOptions({
    queryKey: ['queue', group],
    queryFn: async () => (await body(client.GET('/api/v1/queue', { params: { query: { resource_group: group } } }))).items,
    refetchInterval: REFRESH_MS,
  });

export type AuditSearch = { actor?: string | undefined; operation?: string | undefined; outcome?: 'done' | 'refused' | 'failed' | undefined };

export const auditQuery = ({ actor, operation, outcome }: AuditSearch) =>
  infiniteQueryOptions({
    queryKey: ['audit', actor, operation, outcome],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: AUDIT_PAGE, ...(actor ? { actor } : {}), ...(operation ? { operation } : {}), ...(outcome ? { outcome } : {}), ...(pageParam === '' ? {} : { cursor: pageParam }) };
      return body(client.GET('/api/v1/audit', { params: { query }, signal }));
    },
    getNextPageParam: ({ next_cursor }) => next_cursor ?? undefined,
  });

export const allAnnouncementsQuery = queryOptions({
  queryKey: ['announcements', 'all'],
  queryFn: async () => (await body(client.GET('/api/v1/announcements/all', { params: { query: { limit: ANNOUNCEMENTS_MAX } } }))).items,
});

export const serviceQuery = queryOptions({ queryKey: ['service'], queryFn: () => body(client.GET('/api/v1/service/state')), refetchInterval: REFRESH_MS });

export const processesQuery = queryOptions({ queryKey: ['processes'], queryFn: async () => (await body(client.GET('/api/v1/processes'))).items, refetchInterval: REFRESH_MS });

export const versionQuery = queryOptions({ queryKey: ['version'], queryFn: () => body(client.GET('/api/v1/version')), staleTime: Infinity });
