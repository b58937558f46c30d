import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Tag, TextRead } from '../api/files';
import { Autosave, storedDrafts } from './autosave';

/** A file on a server that fails when it is told to. */
class Remote {
  private held: string | null = '';
  isDown = false;
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

  read = (): Promise<TextRead> => {
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
    return { kind: 'written', tag: this.tag };
  };
}

const open = async (remote: Remote) => {
  const file = new Autosave('a.py', { read: remote.read, write: remote.write, drafts: storedDrafts('ses_1') }, () => undefined);
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
  expect(file.state).toEqual({ kind: 'failed', why: 'down' });
  expect(storedDrafts('ses_1').get('a.py')).toEqual({ base: '', text: 'kept' });
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

test('an untouched file follows what programs write', async () => {
  const remote = new Remote();
  const { file } = await open(remote);
  remote.text = 'by a program';
  expect(await file.look()).toBe('by a program');
  expect(await file.look()).toBeNull();
});

test('500 rounds of typing, reloads and failures lose nothing that was typed', async () => {
  let seed = 7;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const remote = new Remote();
  let { file } = await open(remote);
  let typed = '';
  for (let round = 0; round < 500; round += 1) {
    const dice = random();
    if (dice < 0.6) type(file, (typed += String(round % 10)));
    else if (dice < 0.75) remote.isDown = !remote.isDown;
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
  remote.isDown = false;
  await settle();
  expect(remote.text).toBe(typed);
});
