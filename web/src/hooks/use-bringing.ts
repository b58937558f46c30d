import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { makeFolders } from '../api/files';
import { errorOf } from '../api/problem';
import { isAsked, type Bringing } from '../components/BringDialog';
import { bringIn, namesIn, type Came, type Job } from '../workspace/bring-in';
import { taken, type Gathered } from '../workspace/brought';
import { joined } from '../workspace/names';
import type { Tabs } from '../workspace/tabs';

/** How what is brought fares: while it goes, when it was stopped, and when it is over. */
export type Brought = Came & { readonly state: 'going' | 'stopped' | 'over' };

const NOTHING: Came = { of: 0, sent: 0, failed: [], unknown: [] };

const together = (one: Came, other: Came): Came => ({ of: one.of + other.of, sent: one.sent + other.sent, failed: [...one.failed, ...other.failed], unknown: [...one.unknown, ...other.unknown] });

type Props = { session: string; tabs: Tabs; /** Does what may fail, and shows that it did. */ act: (what: () => Promise<void>) => void };

/** Brings in what was dropped or chosen, after asking where something is there already or stays out. What is brought meanwhile comes after it. */
export function useBringing({ session, tabs, act }: Props) {
  const queries = useQueryClient();
  const [asking, setAsking] = useState<Bringing | null>(null);
  const [brought, setBrought] = useState<Brought | null>(null);
  const [own] = useState(() => ({ last: Promise.resolve(), open: 0, stop: new AbortController(), came: NOTHING }));
  useEffect(() => () => { own.stop.abort(); }, [own]);
  const send = async (jobs: readonly Job[], empty: readonly string[], signal: AbortSignal) => {
    const before = own.came;
    const tell = (came: Came, state: Brought['state']) => {
      own.came = together(before, came);
      setBrought({ ...own.came, state });
    };
    const came = await bringIn(jobs, { session, signal, onCame: (came) => { tell(came, 'going'); } });
    tell(came, signal.aborted ? 'stopped' : own.open > 1 ? 'going' : 'over');
    await queries.invalidateQueries({ queryKey: ['files', session] });
    if (!signal.aborted && empty.length > 0) act(() => makeFolders(session, empty));
    await tabs.look();
  };
  const begin = (jobs: readonly Job[], empty: readonly string[]) => {
    if (own.open === 0) {
      own.stop = new AbortController();
      // What failed before stays named until it is tried again.
      own.came = { ...NOTHING, failed: own.came.failed };
    }
    own.open += 1;
    const { signal } = own.stop;
    own.last = own.last
      .then(() => send(jobs, empty, signal))
      .catch((error: unknown) => { act(() => Promise.reject(errorOf(error))); })
      .finally(() => { own.open -= 1; });
  };
  const bring = (gathering: Gathered | Promise<Gathered>, folder: string) => {
    act(async () => {
      const gathered = await gathering;
      const replaced = await taken(gathered.files.map(({ path }) => path), (directory) => namesIn(session, directory === '' ? folder : joined(folder, directory)));
      const jobs = gathered.files.map(({ path, file }) => ({ to: joined(folder, path), file, isReplacing: replaced.has(path) }));
      const start = () => { begin(jobs, gathered.empty.map((path) => joined(folder, path))); };
      if (isAsked(gathered, replaced)) setAsking({ gathered, replaced, begin: start });
      else start();
    });
  };
  const close = () => {
    own.came = NOTHING;
    setBrought(null);
  };
  const again = () => {
    const jobs = own.came.failed.map(({ job }) => job);
    close();
    begin(jobs, []);
  };
  return { bring, brought, stop: () => { own.stop.abort(); }, again, close, asking: asking && { it: asking, close: () => { setAsking(null); } } };
}
