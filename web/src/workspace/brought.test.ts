import { expect, test } from 'vitest';
import { BROUGHT_MAX, droppedIn, gather, gatherChosen, taken, type Source } from './brought';

type Tree = { [name: string]: Tree | string };

/** A drop as browsers give it: directories in parts of at most 100 entries, the last of them empty. */
function item(name: string, of: Tree | string): DataTransferItem {
  const entry = entryOf(name, of);
  return { kind: 'file', webkitGetAsEntry: () => entry } as unknown as DataTransferItem;
}

function entryOf(name: string, of: Tree | string): FileSystemEntry {
  if (typeof of === 'string') {
    const file = (resolve: (file: File) => void, reject: (error: Error) => void) => { if (of === 'unreadable') reject(new Error(of)); else resolve(new File([of], name)); };
    return { name, isDirectory: false, file } as unknown as FileSystemEntry;
  }
  const createReader = () => {
    const left = Object.entries(of).map(([name, of]) => entryOf(name, of));
    return { readEntries: (resolve: (entries: FileSystemEntry[]) => void) => { resolve(left.splice(0, 100)); } };
  };
  return { name, isDirectory: true, createReader } as unknown as FileSystemEntry;
}

const dropped = (tree: Tree) => gather(droppedIn(Object.entries(tree).map(([name, of]) => item(name, of))));

test('a directory is taken whole, with the paths in it and what is empty', async () => {
  const many = Object.fromEntries(Array.from({ length: 250 }, (_, at) => [`${String(at)}.txt`, 'x']));
  const { files, empty, refused, isWhole } = await dropped({ a: { 'b.txt': 'hello', c: { d: {}, '한글 #1.txt': 'x' }, many }, 'e.txt': 'e' });
  expect(files.filter(({ path }) => !path.startsWith('a/many/')).map(({ path }) => path)).toEqual(['a/b.txt', 'a/c/한글 #1.txt', 'e.txt']);
  expect(files.length).toBe(253);
  expect(await files[0]?.file.text()).toBe('hello');
  expect({ empty, refused, isWhole }).toEqual({ empty: ['a/c/d'], refused: [], isWhole: true });
});

test('what cannot be a path here is refused by its name, and nothing else with it', async () => {
  const deep = Array.from({ length: 40 }).reduce<Tree>((inner) => ({ d: inner }), { 'x.txt': 'x' });
  const { files, refused } = await dropped({
    a: { '..': 'x', '.': { y: 'y' }, 'a\0b': 'x', 'a\nb': 'x', 'half \ud83d': 'x', ['가'.repeat(86)]: 'x', ['가'.normalize('NFD')]: 'first', '가': 'second', gone: 'unreadable', '.env': 'x', 'a\\b': 'x' },
    deep,
  });
  expect(files.map(({ path }) => path)).toEqual(['a/' + '가'.normalize('NFD'), 'a/.env', 'a/a\\b']);
  expect(refused.map(({ why }) => why)).toEqual(['name', 'name', 'name', 'name', 'name', 'long', 'same', 'unreadable', 'deep']);
});

test('no more is taken than is taken at once', async () => {
  const many = Object.fromEntries(Array.from({ length: BROUGHT_MAX + 5 }, (_, at) => [`n${String(at)}\u0007`.slice(0, at % 2 === 0 ? -1 : undefined), 'x']));
  const { files, refused, isWhole } = await dropped({ many });
  expect([files.length, refused.length, isWhole]).toEqual([BROUGHT_MAX / 2, BROUGHT_MAX / 2, false]);
  // Without an end, too.
  const endless = (): Source => ({ kind: 'directory', name: 'more', async *getEntries() { for (let at = 0; ; at += 1) yield { kind: 'file', name: String(at), getFile: () => Promise.resolve(new File([], 'x')) }; } });
  expect((await gather([endless()])).files.length).toBe(BROUGHT_MAX);
});

test('a directory that was chosen has the paths that the browser says', () => {
  const file = (name: string, path: string) => Object.defineProperty(new File(['x'], name), 'webkitRelativePath', { value: path });
  const { files, refused } = gatherChosen([file('c.txt', 'a/b/c.txt'), file('passwd', 'a/../../etc/passwd'), file('alone.txt', '')]);
  expect(files.map(({ path }) => path)).toEqual(['a/b/c.txt', 'alone.txt']);
  expect(refused).toEqual([{ path: 'a/../../etc/passwd', why: 'name' }]);
});

test('what is there already is found without reading directories that are not', async () => {
  const read: string[] = [];
  const there: Record<string, string[]> = { '': ['a', 'x.txt'], a: ['b.txt', 'c'], 'a/c': [] };
  const list = (directory: string) => { read.push(directory); return Promise.resolve(new Set(there[directory])); };
  expect([...await taken(['x.txt', 'a/b.txt', 'a/c/d/e.txt', 'a/n/e.txt', 'n/e.txt', 'a/c'], list)]).toEqual(['x.txt', 'a/b.txt', 'a/c']);
  expect(read).toEqual(['', 'a', 'a/c']);
});
