import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import type { FolderFiles } from './folder-files';

export const folderEntriesKey = 'folder-entries';
const REFRESH_MS = 10_000;

/** A directory of a folder, or what in and beneath it is called like that. */
export const folderEntriesQuery = (files: FolderFiles, path: string, find: string) =>
  queryOptions({
    queryKey: [folderEntriesKey, files.folder, path, find],
    queryFn: () => (find === '' ? files.list(path) : files.search(path, find)),
    refetchInterval: find === '' ? REFRESH_MS : false,
    ...(find === '' ? {} : { placeholderData: keepPreviousData }),
  });
