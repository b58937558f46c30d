import { body, client, sendTo, type Schema } from './client';
import { Problem } from './problem';

/** A name in a folder, as the service of files says it. `path` goes from the folder's top and is percent-encoded: names need not be text. */
export type FolderEntry = { name: string; path: string; kind: 'file' | 'directory' | 'link' | 'other'; size_bytes: number; modified_ms: number };

type Ticket = Schema['FolderTicketView'];
type Permission = Schema['FolderPermission'];

/** Entries that are shown of one directory. */
const ENTRIES_MAX = 2_000;
/** A ticket is no longer used so long before it ends. */
const SPARE_MS = 60_000;
/** How long the address of a download opens anything. */
const DOWNLOAD_MS = 600_000;

/** What bytes go to and from: a folder, for whoever may reach it. Control gives the right, which is asked for again before it ends. */
export class FolderFiles {
  readonly folder: string;
  readonly may: Permission;
  private ticket: Promise<Ticket> | null = null;

  constructor(folder: string, may: Permission) {
    this.folder = folder;
    this.may = may;
  }

  /** A directory's entries, directories first, and whether that is all. */
  async list(path: string): Promise<{ entries: FolderEntry[]; isWhole: boolean }> {
    const entries: FolderEntry[] = [];
    let after: string | null = null;
    do {
      const page = (await (await this.send('GET', `list/${path}${after === null ? '' : `?after=${after}`}`)).json()) as { entries: FolderEntry[]; more_after: string | null };
      entries.push(...page.entries);
      after = page.more_after;
    } while (after !== null && entries.length < ENTRIES_MAX);
    return { entries: entries.toSorted(byName), isWhole: after === null };
  }

  /** Beneath a directory, by a part of the name or a pattern with `*` and `?`. */
  async search(path: string, name: string): Promise<{ entries: FolderEntry[]; isWhole: boolean }> {
    const found = (await (await this.send('GET', `search/${path}?name=${encodeURIComponent(name)}`)).json()) as { entries: FolderEntry[]; complete: boolean };
    return { entries: found.entries, isWhole: found.complete };
  }

  async makeDirectory(path: string): Promise<void> {
    await this.send('POST', `directories/${path}`);
  }

  /** Those above it, too; what is there already stays. */
  async haveDirectory(path: string): Promise<void> {
    await this.send('POST', `directories/${path}?parents&exist_ok`);
  }

  /** What has the new name already stays, and the answer says so. */
  async move(path: string, to: string): Promise<void> {
    await this.send('POST', `move/${path}?to=${to}`);
  }

  async remove({ path, kind }: FolderEntry): Promise<void> {
    await this.send('DELETE', `files/${path}${kind === 'directory' ? '?recursive' : ''}`);
  }

  /** An address from which the browser itself takes a file, or a directory as a zip archive. Good for a while, and for that path alone. */
  async downloadUrl({ path, kind }: FolderEntry): Promise<string> {
    const { url, ticket } = await this.ask({ path: textOf(path) ?? '', may: 'read', ttl_ms: DOWNLOAD_MS });
    return `${base(url)}files/${path}?${kind === 'directory' ? 'archive=zip&' : ''}ticket=${encodeURIComponent(ticket)}`;
  }

  /** A request of the service of files, with the ticket; asked for anew once where it is good no more. */
  async send(method: string, path: string, options: RequestInit = {}): Promise<Response> {
    const ticket = await this.current();
    const answer = await this.sendBy(ticket, method, path, options).catch((error: unknown) => (isRefusedTicket(error) ? null : Promise.reject(error as Error)));
    if (answer) return answer;
    this.ticket = null;
    return this.sendBy(await this.current(), method, path, options).catch((error: unknown) => {
      // 401 is for whoever has signed out, which is not so.
      throw error instanceof Problem && error.status === 401 ? new Problem({ status: 403, code: 'forbidden', detail: error.message }) : error;
    });
  }

  private sendBy({ url, ticket }: Ticket, method: string, path: string, options: RequestInit): Promise<Response> {
    const headers = new Headers(options.headers);
    headers.set('authorization', `Bearer ${ticket}`);
    return sendTo(`${base(url)}${path}`, { ...options, method, headers });
  }

  private async current(): Promise<Ticket> {
    const known = await this.ticket?.catch(() => null);
    if (known && Date.parse(known.expires_at) - SPARE_MS > Date.now()) return known;
    this.ticket = this.ask({ may: this.may, path: '' });
    return this.ticket;
  }

  private ask(asked: Schema['FolderTicketCreate']): Promise<Ticket> {
    return body(client.POST('/api/v1/folders/{id}/tickets', { params: { path: { id: this.folder } }, body: asked }));
  }
}

const byName = (one: FolderEntry, other: FolderEntry) => rank(one) - rank(other) || one.name.localeCompare(other.name, undefined, { numeric: true });
const rank = ({ kind }: FolderEntry) => (kind === 'directory' ? 0 : 1);

const isRefusedTicket = (error: unknown) => error instanceof Problem && error.status === 401;

/** The folder's address at this server. Another server's is none that this page may ask. */
function base(url: string): string {
  if (!url.startsWith('/') || url.startsWith('//')) throw new Problem({ status: 409, code: 'elsewhere' });
  return url.endsWith('/') ? url : `${url}/`;
}

/** A path's text, where it is text. */
export function textOf(path: string): string | null {
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}

/** A path as it stands in addresses. */
export const encoded = (path: string) => path.split('/').map(encodeURIComponent).join('/');

export const joined = (directory: string, name: string) => (directory === '' ? name : `${directory}/${name}`);
