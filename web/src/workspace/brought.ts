import { baseOf, folderOf } from './names';

/** What a drop gives. The items that React Aria drops are such, too. */
export type Source = { readonly kind: 'file'; readonly name: string; getFile(): Promise<File> } | { readonly kind: 'directory'; readonly name: string; getEntries(): AsyncIterable<Source> };

/** A file on its way in; its path goes from where it is brought to. */
export type Brought = { readonly path: string; readonly file: File };

export type Refusal = 'name' | 'long' | 'deep' | 'same' | 'unreadable';

export type Gathered = {
  readonly files: readonly Brought[];
  /** Directories with nothing in them. */
  readonly empty: readonly string[];
  readonly refused: readonly { readonly path: string; readonly why: Refusal }[];
  /** Whether there was no more than is taken at once. */
  readonly isWhole: boolean;
};

/** Files, empty directories and refusals, together, of what is brought at once. */
export const BROUGHT_MAX = 2_000;
const DEPTH_MAX = 32;
/** Of a name and of a path, in bytes, as Linux has them. */
const NAME_BYTES_MAX = 255;
const PATH_BYTES_MAX = 2_048;

/** Characters that control, and halves of characters, which no path can say. */
const ODD = /[\p{Cc}\p{Cs}/]/u;

const bytesIn = (text: string): number => new TextEncoder().encode(text).length;

function wrongName(name: string): Refusal | null {
  if (name === '' || name === '.' || name === '..' || ODD.test(name)) return 'name';
  return bytesIn(name) > NAME_BYTES_MAX ? 'long' : null;
}

/** All that is in what was dropped, with the paths that it has there. */
export async function gather(sources: Iterable<Source>): Promise<Gathered> {
  const gathering = new Gathering();
  for (const source of sources) await gathering.take(source, []);
  return gathering.all();
}

/** What was chosen, with the paths that the browser gives the files of a directory. */
export function gatherChosen(files: Iterable<File>): Gathered {
  const gathering = new Gathering();
  for (const file of files) gathering.takeFile((file.webkitRelativePath === '' ? file.name : file.webkitRelativePath).split('/'), file);
  return gathering.all();
}

class Gathering {
  private readonly files: Brought[] = [];
  private readonly empty: string[] = [];
  private readonly refused: { path: string; why: Refusal }[] = [];
  private isWhole = true;
  /** Paths in one form of Unicode: two that differ in the form alone nobody could tell apart. */
  private readonly seen = new Set<string>();

  all(): Gathered {
    return { files: this.files, empty: this.empty, refused: this.refused, isWhole: this.isWhole };
  }

  async take(source: Source, folder: readonly string[]): Promise<void> {
    const names = [...folder, source.name];
    if (!this.lets(names)) return;
    try {
      if (source.kind === 'file') this.files.push({ path: names.join('/'), file: await source.getFile() });
      else await this.takeAll(source.getEntries(), names);
    } catch {
      // What may not be read, or is gone by now.
      this.refused.push({ path: names.join('/'), why: 'unreadable' });
    }
  }

  private async takeAll(entries: AsyncIterable<Source>, folder: readonly string[]): Promise<void> {
    let count = 0;
    for await (const entry of entries) {
      count += 1;
      await this.take(entry, folder);
      if (!this.isWhole) return;
    }
    if (count === 0) this.empty.push(folder.join('/'));
  }

  takeFile(names: readonly string[], file: File): void {
    if (this.lets(names)) this.files.push({ path: names.join('/'), file });
  }

  /** Whether something may come in under that path. What may not counts, too: a directory may be full of it. */
  private lets(names: readonly string[]): boolean {
    this.isWhole &&= this.files.length + this.empty.length + this.refused.length < BROUGHT_MAX;
    if (!this.isWhole) return false;
    const path = names.join('/');
    const why = this.wrong(names, path);
    if (why === null) this.seen.add(path.normalize());
    else this.refused.push({ path, why });
    return why === null;
  }

  private wrong(names: readonly string[], path: string): Refusal | null {
    const wrong = names.map(wrongName).find((why) => why !== null);
    if (wrong) return wrong;
    if (bytesIn(path) > PATH_BYTES_MAX) return 'long';
    if (names.length > DEPTH_MAX) return 'deep';
    return this.seen.has(path.normalize()) ? 'same' : null;
  }
}

/** What a drop holds. Only while the event is handled does the browser say so. */
export function droppedIn(items: Iterable<DataTransferItem>): Source[] {
  return [...items].flatMap((item) => {
    if (item.kind !== 'file') return [];
    const entry = item.webkitGetAsEntry();
    if (entry) return [sourceOf(entry)];
    const file = item.getAsFile();
    return file ? [{ kind: 'file', name: file.name, getFile: () => Promise.resolve(file) }] : [];
  });
}

function sourceOf(entry: FileSystemEntry): Source {
  const { name } = entry;
  if (isDirectory(entry)) return { kind: 'directory', name, getEntries: () => entriesOf(entry) };
  const file = entry as FileSystemFileEntry;
  return { kind: 'file', name, getFile: () => new Promise((resolve, reject) => { file.file(resolve, reject); }) };
}

const isDirectory = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

/** Browsers give a directory in parts, the last of them empty. */
async function* entriesOf(directory: FileSystemDirectoryEntry): AsyncGenerator<Source> {
  const reader = directory.createReader();
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (entries.length === 0) return;
    for (const entry of entries) yield sourceOf(entry);
  }
}

/** Which of these paths are there already. `list` says the names in a directory; only those are read that are there. */
export async function taken(paths: readonly string[], list: (directory: string) => Promise<ReadonlySet<string>>): Promise<ReadonlySet<string>> {
  const known = new Map<string, Promise<ReadonlySet<string>>>();
  const namesIn = (directory: string): Promise<ReadonlySet<string>> => {
    const names = known.get(directory) ?? (directory === '' ? list('') : isThere(directory).then((is) => (is ? list(directory) : new Set<string>())));
    known.set(directory, names);
    return names;
  };
  const isThere = async (path: string) => (await namesIn(folderOf(path))).has(baseOf(path));
  const found = new Set<string>();
  for (const path of paths) if (await isThere(path)) found.add(path);
  return found;
}
