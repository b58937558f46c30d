import { textOf } from '../workspace/blob-text';
import { body, client, sendTo, type Schema } from './client';
import { Problem } from './problem';

export type FileEntry = Schema['FileEntry'];

/** Larger files are not edited here. Notebooks carry their pictures with them. */
const textBytesMax = (path: string): number => (/\.ipynb$/i.test(path) ? 8 : 1) * 1024 * 1024;

/** What a file is known by: another one whenever it is written; none of a server that says none. */
export type Tag = string | null;

export type TextRead = { kind: 'text'; text: string; tag: Tag } | { kind: 'binary' } | { kind: 'large' } | { kind: 'gone' };

/** Commands that the page runs for somebody are short. */
const COMMAND_MS = 10_000;
/** Paths in one of them. */
const ARGUMENTS = 500;

const address = (session: string, path: string): string =>
  `/api/v1/sessions/${encodeURIComponent(session)}/files/${path.split('/').map(encodeURIComponent).join('/')}`;

/** The entries of a directory, directories first. */
export async function listFiles(session: string, path: string): Promise<FileEntry[]> {
  const query = path === '' ? {} : { path };
  const { items } = await body(client.GET('/api/v1/sessions/{id}/files', { params: { path: { id: session }, query } }));
  const rank = (entry: FileEntry) => (entry.kind === 'directory' ? 0 : 1);
  return items.toSorted((a, b) => rank(a) - rank(b) || a.path.localeCompare(b.path));
}

/** A file's text, where it is one of a size to edit. */
export async function readText(session: string, path: string): Promise<TextRead> {
  const answer = await sendTo(address(session, path)).catch((error: unknown) => {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  });
  if (!answer) return { kind: 'gone' };
  if (Number(answer.headers.get('content-length') ?? 0) > textBytesMax(path)) {
    await answer.body?.cancel();
    return { kind: 'large' };
  }
  const bytes = await answer.arrayBuffer();
  try {
    return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), tag: answer.headers.get('etag') };
  } catch {
    return { kind: 'binary' };
  }
}

export async function readBlob(session: string, path: string): Promise<Blob> {
  return (await sendTo(address(session, path))).blob();
}

export async function writeFile(session: string, path: string, content: string | Blob, signal?: AbortSignal): Promise<void> {
  await sendTo(address(session, path), { method: 'PUT', body: content, headers: { 'content-type': 'application/octet-stream' }, signal: signal ?? null });
}

/** Writes over what is known to be there, or where nothing is. `changed` where something else is there: then it is left as it is. */
export async function writeOver(session: string, path: string, content: string | Blob, known: Tag, signal?: AbortSignal): Promise<{ kind: 'written'; tag: Tag } | { kind: 'changed' }> {
  const condition: Record<string, string> = known === null ? { 'if-none-match': '*' } : { 'if-match': known };
  const headers = { 'content-type': 'application/octet-stream', ...condition };
  try {
    const answer = await sendTo(address(session, path), { method: 'PUT', body: content, headers, signal: signal ?? null });
    return { kind: 'written', tag: answer.headers.get('etag') };
  } catch (error) {
    if (error instanceof Problem && error.status === 412) return { kind: 'changed' };
    throw error;
  }
}

export async function removeFile(session: string, path: string): Promise<void> {
  await sendTo(address(session, path), { method: 'DELETE' });
}

export async function makeFolder(session: string, path: string): Promise<void> {
  await command(session, ['mkdir', '--', `./${path}`]);
}

/** Makes folders, those above them too; what is there already stays. */
export async function makeFolders(session: string, paths: readonly string[]): Promise<void> {
  for (let at = 0; at < paths.length; at += ARGUMENTS) await command(session, ['mkdir', '-p', '--', ...paths.slice(at, at + ARGUMENTS).map((path) => `./${path}`)]);
}

/** Moves a file or folder where nothing is yet. */
export async function moveFile(session: string, from: string, to: string): Promise<void> {
  // `ln` and `mv -n` of older systems say nothing when they do nothing, so it is asked first.
  await command(session, ['sh', '-c', '[ ! -e "$2" ] && [ ! -L "$2" ] && exec mv -T -- "$1" "$2"; echo "$2: already there" >&2; exit 1', 'sh', `./${from}`, `./${to}`]);
}

/** Runs a command in the session to its end; what it wrote. Throws where it failed. */
export async function command(session: string, argv: string[], wallMs = COMMAND_MS): Promise<string> {
  const run = await body(client.POST('/api/v1/sessions/{id}/runs', { params: { path: { id: session } }, body: { mode: 'command', argv, limits: { wall_ms: wallMs }, wait: true } }));
  // Streams are for those who ask for them.
  if (!('created_at' in run)) return '';
  if (run.verdict === 'ok') return textOf(run.stdout ?? '');
  const said = textOf(run.stderr ?? '').trim();
  throw new Problem({ status: 409, code: 'command', detail: said === '' ? `${argv[0] ?? ''}: ${run.verdict ?? ''}` : said });
}

/** Hands a file to the browser to keep. A directory comes as a tar archive. */
export async function downloadFile(session: string, path: string, name: string): Promise<void> {
  const url = URL.createObjectURL(await readBlob(session, path));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => { URL.revokeObjectURL(url); }, 60_000);
}
