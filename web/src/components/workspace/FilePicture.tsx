import { useQuery } from '@tanstack/react-query';
import { readBlob } from '../../api/files';
import { useObjectUrl } from '../../hooks/use-object-url';
import { baseOf, extensionOf, shown } from '../../workspace/names';
import { useWorkspace } from '../../workspace/workspace';
import styles from './FilePicture.module.css';

const KINDS: Readonly<Record<string, string>> = { png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp' };

/** A file that is a picture, as one. */
export function FilePicture({ path }: { path: string }) {
  const { session } = useWorkspace();
  const kind = KINDS[extensionOf(path)];
  const { data } = useQuery({
    queryKey: ['picture', session.id, path],
    queryFn: async () => new Blob([await readBlob(session.id, path)], kind ? { type: kind } : {}),
    enabled: kind !== undefined,
  });
  const url = useObjectUrl(data ?? null);
  return url ? <img className={styles['picture']} src={url} alt={shown(baseOf(path))} /> : null;
}
