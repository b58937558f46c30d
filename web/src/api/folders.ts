import { queryOptions } from '@tanstack/react-query';
import { body, client, type Schema } from './client';

export type Folder = Schema['FolderView'];
export const PERMISSIONS = ['read', 'write', 'delete'] as const satisfies readonly Schema['FolderPermission'][];
export const FOLDER_MODES = ['general', 'data', 'model'] as const satisfies readonly Schema['FolderMode'][];

const FOLDERS_MAX = 1_000;
/** What is under way is looked at again this often, and everything else this often. */
const SOON_MS = 1_500;
const REFRESH_MS = 15_000;

const STILL: ReadonlySet<string> = new Set(['ready', 'trashed', 'failed']);
const soon = (folders: readonly Folder[] | undefined) => (folders?.some(({ state }) => !STILL.has(state)) ? SOON_MS : REFRESH_MS);

/** Folders that the asker may reach, or those of them in the trash, by name. */
export const foldersQuery = (trashed: boolean) =>
  queryOptions({
    queryKey: ['folders', trashed],
    queryFn: async () => {
      const { items, next_cursor } = await body(client.GET('/api/v1/folders', { params: { query: { limit: FOLDERS_MAX, trashed } } }));
      return { items: items.toSorted((one, other) => one.name.localeCompare(other.name)), isWhole: !next_cursor };
    },
    refetchInterval: ({ state }) => soon(state.data?.items),
  });

/** With what it holds. */
export const folderQuery = (id: string) =>
  queryOptions({
    queryKey: ['folder', id],
    queryFn: () => body(client.GET('/api/v1/folders/{id}', { params: { path: { id }, query: { usage: true } } })),
    refetchInterval: ({ state }) => soon(state.data && [state.data]),
  });

export const folderQuotasQuery = queryOptions({ queryKey: ['folder-quotas'], queryFn: async () => (await body(client.GET('/api/v1/folder-quotas'))).items });

export const folderSharesQuery = (id: string) =>
  queryOptions({ queryKey: ['folder-shares', id], queryFn: async () => (await body(client.GET('/api/v1/folders/{id}/shares', { params: { path: { id } } }))).items, retry: false });

/** Those that were sent and those that have come. */
export const invitationsQuery = queryOptions({
  queryKey: ['invitations'],
  queryFn: async () => (await body(client.GET('/api/v1/invitations'))).items,
  refetchInterval: REFRESH_MS,
});

/** Who asks, with the projects that they are a member of. */
export const meQuery = queryOptions({ queryKey: ['me'], queryFn: () => body(client.GET('/api/v1/me')), staleTime: 30_000 });

/** What a change of a folder may change elsewhere. */
export const FOLDER_CHANGES = ['folders', 'folder', 'folder-quotas', 'folder-shares', 'invitations'] as const;
