import { listFiles, writeFile, writeOver } from '../api/files';
import { errorOf, isPassing, Problem } from '../api/problem';
import { baseOf } from './names';

/** Files under way at once. */
const SIDE_BY_SIDE = 4;

/** A file on its way to a path of the session. */
export type Job = { readonly to: string; readonly file: File; readonly isReplacing: boolean };
type Failed = { readonly job: Job; readonly error: Error };

/** How far it has come. Of what was under way when it was stopped nobody knows whether it is there. */
export type Came = { readonly of: number; readonly sent: number; readonly failed: readonly Failed[]; readonly unknown: readonly Job[] };

/** The names in a directory of a session; none where it is none. */
export async function namesIn(session: string, directory: string): Promise<ReadonlySet<string>> {
  try {
    return new Set((await listFiles(session, directory)).map(({ path }) => baseOf(path)));
  } catch (error) {
    if (isPassing(error)) throw error;
    return new Set();
  }
}

type Into = { readonly session: string; readonly signal: AbortSignal; readonly onCame: (came: Came) => void };

/** Brings files into a session, a few at once. What has come to be there meanwhile stays; a file that fails stops no other. */
export async function bringIn(jobs: readonly Job[], { session, signal, onCame }: Into): Promise<Came> {
  let came: Came = { of: jobs.length, sent: 0, failed: [], unknown: [] };
  const tell = (part: Partial<Came>) => {
    came = { ...came, ...part };
    onCame(came);
  };
  tell({});
  const left = jobs.values();
  const work = async () => {
    for (const job of left) {
      if (signal.aborted) return;
      const error = await send(job, session, signal).then(() => null, errorOf);
      if (error === null) tell({ sent: came.sent + 1 });
      else if (signal.aborted) tell({ unknown: [...came.unknown, job] });
      else tell({ failed: [...came.failed, { job, error }] });
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  return came;
}

async function send({ to, file, isReplacing }: Job, session: string, signal: AbortSignal): Promise<void> {
  if (isReplacing) await writeFile(session, to, file, signal);
  else if ((await writeOver(session, to, file, null, signal)).kind === 'changed') throw new Problem({ status: 412, code: 'precondition', detail: 'already there' });
}
