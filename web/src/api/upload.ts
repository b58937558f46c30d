import type { FolderFiles } from './folder-files';
import { isPassing, Problem } from './problem';

/** Sent at once; what is lost with a connection is at most this. */
const PART_BYTES = 4 * 1024 * 1024;
/** Failures in a row, without a byte between them, before it is given up, and the longest wait between two. */
const TRIES_MAX = 12;
const WAIT_MS_MAX = 8_000;
const TUS = { 'tus-resumable': '1.0.0' };

/** Whether what is there already may be replaced. */
type Sent = { isReplacing: boolean; onSent: (bytes: number) => void; signal: AbortSignal };

/** Brings a file into a folder by tus 1.0.0: whole or not at all, and gone on with where a connection broke. `path` is text from the folder's top. */
export async function upload(files: FolderFiles, file: File, path: string, { isReplacing, onSent, signal }: Sent): Promise<void> {
  const metadata = `path ${base64(path)},parents${isReplacing ? '' : ',new'}`;
  const made = await files.send('POST', 'uploads', { headers: { ...TUS, 'upload-length': String(file.size), 'upload-metadata': metadata }, signal });
  const id = made.headers.get('location')?.split('/').at(-1);
  if (!id) throw new Error('the server does not say where to send the file');
  const drop = () => void files.send('DELETE', `uploads/${id}`, { headers: TUS }).catch(() => undefined);
  signal.addEventListener('abort', drop, { once: true });
  try {
    await sendParts(files, file, `uploads/${id}`, { onSent, signal });
  } finally {
    signal.removeEventListener('abort', drop);
  }
}

async function sendParts(files: FolderFiles, file: File, place: string, { onSent, signal }: Omit<Sent, 'isReplacing'>): Promise<void> {
  let at = 0;
  let tries = 0;
  while (at < file.size) {
    try {
      const part = file.slice(at, at + PART_BYTES);
      const headers = { ...TUS, 'upload-offset': String(at), 'content-type': 'application/offset+octet-stream' };
      at = offset(await files.send('PATCH', place, { headers, body: part, signal }));
      tries = 0;
    } catch (error) {
      if (signal.aborted || !isPassing(error) || isFull(error) || tries >= TRIES_MAX) throw error;
      tries += 1;
      await new Promise((resolve) => setTimeout(resolve, Math.min(WAIT_MS_MAX, 250 * 2 ** tries)));
      // How far it has come is what the server says.
      at = await files.send('HEAD', place, { headers: TUS, signal }).then(offset, () => at);
    }
    onSent(at);
  }
}

/** The quota is used up, which no waiting changes. */
const isFull = (error: unknown) => error instanceof Problem && error.status === 507;

function offset(answer: Response): number {
  return Number(answer.headers.get('upload-offset'));
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
