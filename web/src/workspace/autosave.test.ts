import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Tag, TextRead } from '../api/files';
import { Autosave } from './autosave';
import { storedDrafts } from './drafts';

/** A file on a server that fails when it is told to. */
class Remote {
  private held: string | null = '';
  isDown = false;
  /** What is written arrives, and the answer does not. */
  isMute = false;
  writes: string[] = [];
  private written = 0;
  beforeWrite: () => void = () => undefined;

  get text(): string | null {
    return this.held;
  }

  set text(text: string | null) {
    this.held = text;
    this.written += 1;
  }

  get tag(): Tag {
    return this.held === null ? null : `"${String(this.written)}"`;
  }

  read: (path: string) => Promise<TextRead> = () => {
    if (this.isDown) return Promise.reject(new Error('down'));
    return Promise.resolve(this.text === null ? { kind: 'gone' } : { kind: 'text', text: this.text, tag: this.tag });
  };

  write = async (_path: string, text: string, known: Tag): Promise<{ kind: 'written'; tag: Tag } | { kind: 'changed' }> => {
    await Promise.resolve();
    this.beforeWrite();
    if (this.isDown) throw new Error('down');
    if (known !== this.tag) return { kind: 'changed' };
    this.text = text;
    this.writes.push(text);
    if (this.isMute) throw new Error('no answer');
    return { kind: 'written', tag: this.tag };
  };
}

const open = async (remote: Remote) => {
  const file = new Autosave('a.py', { read: (path) => remote.read(path), write: remote.write, drafts: storedDrafts('ses_1') }, () => undefined);
  return { file, text: await file.open() };
};
const type = (file: Autosave, text: string) => { file.edit(() => text); };
const settle = () => vi.advanceTimersByTimeAsync(60_000);

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

test('what is typed is written once it pauses', async () => {
  const remote = new Remote();
  const { file } = await open(remote);
  type(file, 'p');
  type(file, 'pr');
  expect(file.state.kind).toBe('dirty');
  await settle();
  expect(remote.writes).toEqual(['pr']);
  expect(file.state.kind).toBe('saved');
});

test('of two readings of a file that could not be read the second undoes nothing', async () => {
  const remote = new Remote();
  remote.isDown = true;
  const { file } = await open(remote);
  remote.isDown = false;
  remote.text = 'one';
  const answer = await remote.read('a.py');
  let arrive: (answer: TextRead) => void = () => undefined;
  const second = file.open(new Promise((resolve) => { arrive = resolve; }));
  expect(await file.open()).toBe('one');
  type(file, 'one two');
  arrive(answer);
  expect(await second).toBe(null);
  await settle();
  expect([file.text, remote.text]).toEqual(['one two', 'one two']);
});

test('what is typed while it is being written is written as well', async () => {
  const remote = new Remote();
  const { file } = await open(remote);
  remote.beforeWrite = () => { remote.beforeWrite = () => undefined; type(file, 'second'); };
  type(file, 'first');
  await settle();
  expect(remote.writes).toEqual(['first', 'second']);
  expect(file.state.kind).toBe('saved');
});

test('a server that is away gets it when it is back, and the page says so meanwhile', async () => {
  const remote = new Remote();
  const { file } = await open(remote);
  remote.isDown = true;
  type(file, 'kept');
  await settle();
  expect(file.state).toEqual({ kind: 'failed', error: new Error('down') });
  expect(storedDrafts('ses_1').get('a.py')).toMatchObject({ base: '', text: 'kept' });
  remote.isDown = false;
  await settle();
  expect(remote.text).toBe('kept');
  expect(file.state.kind).toBe('saved');
  expect(storedDrafts('ses_1').get('a.py')).toBeNull();
});

test('a page that went away before the server had it goes on where it was', async () => {
  const remote = new Remote();
  const { file } = await open(remote);
  type(file, 'typed');
  file.keepDraft();
  file.stop();
  expect(remote.text).toBe('');
  const again = await open(remote);
  expect(again.text).toBe('typed');
  await settle();
  expect(remote.text).toBe('typed');
});

test('one\'s own text that was written and never answered is no conflict, typed on, undone or reloaded', async () => {
  for (const then of ['first and more', '']) {
    for (const isReloaded of [false, true]) {
      const remote = new Remote();
      let { file } = await open(remote);
      remote.isMute = true;
      type(file, 'first');
      await vi.advanceTimersByTimeAsync(800);
      expect(file.state.kind).toBe('failed');
      type(file, then);
      if (isReloaded) {
        file.keepDraft();
        file.stop();
        file = (await open(remote)).file;
        expect(file.text).toBe(then);
      }
      remote.isMute = false;
      await settle();
      expect([remote.text, file.state.kind]).toEqual([then, 'saved']);
    }
  }
});

test('another\'s text is a conflict after an answer was lost, too', async () => {
  const remote = new Remote();
  const { file } = await open(remote);
  remote.isMute = true;
  type(file, 'mine');
  await vi.advanceTimersByTimeAsync(800);
  remote.isMute = false;
  remote.text = 'theirs';
  await settle();
  expect(file.state).toEqual({ kind: 'conflict', theirs: 'theirs' });
  expect(remote.text).toBe('theirs');
});

test('what another wrote meanwhile is neither overwritten nor taken unasked', async () => {
  for (const [whose, kept] of [['mine', 'mine'], ['theirs', 'theirs']] as const) {
    const remote = new Remote();
    const { file } = await open(remote);
    type(file, 'mine');
    remote.text = 'theirs';
    await settle();
    expect(file.state).toEqual({ kind: 'conflict', theirs: 'theirs' });
    expect(remote.text).toBe('theirs');
    expect(file.resolve(whose)).toBe(kept);
    await settle();
    expect(remote.text).toBe(kept);
    expect(file.state.kind).toBe('saved');
  }
});

test('a conflict is asked about until it is answered, however many pages go away before', async () => {
  const remote = new Remote();
  let { file } = await open(remote);
  type(file, 'mine');
  remote.text = 'theirs';
  for (let page = 0; page < 3; page += 1) {
    await settle();
    expect([file.text, file.state]).toEqual(['mine', { kind: 'conflict', theirs: 'theirs' }]);
    file.keepDraft();
    file.stop();
    file = (await open(remote)).file;
  }
  expect(remote.text).toBe('theirs');
  expect(file.resolve('mine')).toBe('mine');
  await settle();
  expect(remote.text).toBe('mine');
});

test('what another wrote in the very moment of saving is not overwritten', async () => {
  const remote = new Remote();
  const { file } = await open(remote);
  type(file, 'mine');
  remote.beforeWrite = () => { remote.beforeWrite = () => undefined; remote.text = 'theirs'; };
  await settle();
  expect(remote.text).toBe('theirs');
  expect(file.state).toEqual({ kind: 'conflict', theirs: 'theirs' });
});

test('a file that was written anew with the same text is no conflict, nor is one that is gone', async () => {
  const remote = new Remote();
  remote.text = 'a';
  const { file } = await open(remote);
  remote.text = 'a';
  type(file, 'b');
  await settle();
  expect([remote.text, file.state.kind]).toEqual(['b', 'saved']);
  remote.text = null;
  type(file, 'c');
  await settle();
  expect([remote.text, file.state.kind]).toEqual(['c', 'saved']);
});

test('a file that was closed or deleted is not made again by what ends later', async () => {
  for (const isDown of [false, true]) {
    const remote = new Remote();
    const { file } = await open(remote);
    remote.isDown = isDown;
    type(file, 'typed');
    remote.beforeWrite = () => { file.stop(); };
    await vi.advanceTimersByTimeAsync(800);
    remote.isDown = false;
    remote.text = null;
    type(file, 'what a cell said');
    await settle();
    expect(remote.text).toBeNull();
  }
});

test('what was said is not said again with each key', async () => {
  const remote = new Remote();
  let told = 0;
  const file = new Autosave('a.py', { read: remote.read, write: remote.write, drafts: storedDrafts('ses_1') }, () => { told += 1; });
  await file.open();
  told = 0;
  for (const text of ['p', 'pr', 'pri']) type(file, text);
  expect([told, file.state.kind, file.text]).toEqual([1, 'dirty', 'pri']);
  await settle();
  expect(remote.text).toBe('pri');
});

test('an untouched file follows what programs write', async () => {
  const remote = new Remote();
  const { file } = await open(remote);
  remote.text = 'by a program';
  expect(await file.look()).toBe('by a program');
  expect(await file.look()).toBeNull();
});

test('what was typed and saved while a look was on its way stays', async () => {
  const remote = new Remote();
  const { file } = await open(remote);
  const before = await remote.read('a.py');
  let answer: (read: TextRead) => void = () => undefined;
  remote.read = () => new Promise((resolve) => { answer = resolve; });
  const looked = file.look();
  type(file, 'newer');
  await settle();
  expect(remote.text).toBe('newer');
  answer(before);
  expect([await looked, file.text]).toEqual([null, 'newer']);
});

test.each([7, 33, 55, 1234])('500 rounds of typing, reloads, failures and lost answers lose nothing that was typed: seed %i', async (first) => {
  let seed = first;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const remote = new Remote();
  let { file } = await open(remote);
  let muted = 0;
  let typed = '';
  for (let round = 0; round < 500; round += 1) {
    const dice = random();
    if (dice < 0.6) type(file, (typed += String(round % 10)));
    else if (dice < 0.7) remote.isDown = !remote.isDown;
    else if (dice < 0.75) muted += Number((remote.isMute = !remote.isMute));
    else if (dice < 0.9) await vi.advanceTimersByTimeAsync(Math.floor(random() * 2_000));
    else if (!remote.isDown) {
      // As `pagehide` does.
      if (!file.isSafe) file.keepDraft();
      file.stop();
      const again = await open(remote);
      file = again.file;
      expect(again.text).toBe(typed);
    }
  }
  remote.isDown = remote.isMute = false;
  await settle();
  expect([remote.text, file.state.kind]).toEqual([typed, 'saved']);
  expect(muted).toBeGreaterThan(5);
});
