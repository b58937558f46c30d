import { useCallback, useEffect, useRef, useState } from 'react';
import { joined, type FolderFiles } from '../api/folder-files';
import { errorOf } from '../api/problem';
import { upload } from '../api/upload';
import type { Brought } from '../workspace/brought';

export type Upload = { id: number; name: string; size: number; sent: number; state: 'going' | 'done' | 'failed'; error?: Error };

/** Files under way at once. */
const SIDE_BY_SIDE = 2;
/** Who looks at the directory is told this often while many come in. */
const TELL_MS = 1_000;

/** Files on their way into a folder; they go on while other directories are looked at, and end with the page. */
export function useUploads(files: FolderFiles, onDone: () => void) {
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const [own] = useState(() => ({ next: 0, going: 0, toldAt: 0, waiting: [] as (() => Promise<void>)[], stops: new Map<number, AbortController>() }));
  const done = useRef(onDone);
  done.current = onDone;
  const set = useCallback((id: number, part: Partial<Upload>) => { setUploads((all) => all.map((one) => (one.id === id ? { ...one, ...part } : one))); }, []);
  const next = useCallback(() => {
    const work = own.going < SIDE_BY_SIDE ? own.waiting.shift() : undefined;
    if (!work) return;
    own.going += 1;
    void work().finally(() => {
      own.going -= 1;
      next();
    });
  }, [own]);
  const tell = useCallback(() => {
    if (own.waiting.length > 0 && Date.now() - own.toldAt < TELL_MS) return;
    own.toldAt = Date.now();
    done.current();
  }, [own]);
  const add = useCallback((directory: string, given: readonly Brought[], replaced: ReadonlySet<string>) => {
    for (const { path, file } of given) {
      const id = (own.next += 1);
      const stop = new AbortController();
      own.stops.set(id, stop);
      setUploads((all) => [...all, { id, name: path, size: file.size, sent: 0, state: 'going' }]);
      own.waiting.push(async () => {
        if (stop.signal.aborted) return;
        await upload(files, file, joined(directory, path), { isReplacing: replaced.has(path), onSent: (sent) => { set(id, { sent }); }, signal: stop.signal })
          .then(() => { set(id, { state: 'done', sent: file.size }); tell(); }, (error: unknown) => { set(id, { state: 'failed', error: errorOf(error) }); });
        own.stops.delete(id);
      });
      next();
    }
  }, [files, next, own, set, tell]);
  const stop = useCallback((id: number) => {
    own.stops.get(id)?.abort();
    setUploads((all) => all.filter((one) => one.id !== id));
  }, [own]);
  const clear = useCallback(() => { setUploads((all) => all.filter(({ state }) => state === 'going')); }, []);
  useEffect(() => () => { for (const stop of own.stops.values()) stop.abort(); }, [own]);
  return { uploads, add, stop, clear };
}
