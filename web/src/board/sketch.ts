import { listFiles } from '../api/files';
import type { Schema } from '../api/client';
import { isSource } from '../workspace/run-request';

/** Says what stands around the board; it lies beside the sketch, at the top of the workspace. */
export const DIAGRAM = 'diagram.json';

/** The sketch that the diagram belongs to, of those beside it: the one that was looked at last, the language's usual one, or the first. */
export async function sketchBeside({ session, language, looked }: { session: string; language: Schema['LanguageView']; looked: readonly string[] }): Promise<string | null> {
  const sketches = (await listFiles(session, '')).flatMap(({ path, kind }) => (kind === 'file' && isSource(language, path) ? [path] : []));
  return [...looked, language.main, ...sketches].find((path) => sketches.includes(path)) ?? null;
}
