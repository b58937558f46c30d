import { listFiles, makeFolders, writeFile, writeOver } from '../api/files';
import { errorOf, isPassing } from '../api/problem';
import type { Gathered } from './brought';
import { baseOf, joined, shown } from './names';

/** The names in a directory of a session; none where it is none. */
export async function namesIn(session: string, directory: string): Promise<ReadonlySet<string>> {
  try {
    return new Set((await listFiles(session, directory)).map(({ path }) => baseOf(path)));
  } catch (error) {
    if (isPassing(error)) throw error;
    return new Set();
  }
}

type Into = { readonly session: string; readonly folder: string; /** Paths that may be written over. */ readonly replaced: ReadonlySet<string>; readonly onSent: (files: number) => void };

/** Brings files into a session, one after another. What has come to be there meanwhile stays, and ends it, as any failure does. */
export async function bringIn({ files, empty }: Gathered, { session, folder, replaced, onSent }: Into): Promise<void> {
  for (const [sent, { path, file }] of files.entries()) {
    onSent(sent);
    const to = joined(folder, path);
    try {
      if (replaced.has(path)) await writeFile(session, to, file);
      else if ((await writeOver(session, to, file, null)).kind === 'changed') throw new Error('already there');
    } catch (error) {
      throw new Error(`${shown(path)}: ${errorOf(error).message} (${String(sent)}/${String(files.length)})`, { cause: error });
    }
  }
  await makeFolders(session, empty.map((path) => joined(folder, path)));
}
