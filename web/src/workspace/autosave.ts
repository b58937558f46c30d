import type { Tag, TextRead } from '../api/files';
import { errorOf } from '../api/problem';
import type { Drafts } from './drafts';

export type SaveState =
  | { kind: 'loading' }
  | { kind: 'saved' }
  | { kind: 'dirty' }
  | { kind: 'saving' }
  /** Tried again by itself; the text is kept in this browser meanwhile. */
  | { kind: 'failed'; error: Error }
  /** Somebody or some program wrote the file since it was read here. */
  | { kind: 'conflict'; theirs: string }
  | { kind: 'unreadable'; why: 'binary' | 'large' | 'gone' }
  | { kind: 'unreadable'; why: 'failed'; error: Error };

export type Rim = { read: (path: string) => Promise<TextRead>; write: (path: string, text: string, known: Tag) => Promise<{ kind: 'written'; tag: Tag } | { kind: 'changed' }>; drafts: Drafts };

const DRAFT_MS = 120;
const SAVE_MS = 700;
const RETRY_MS_FIRST = 1_000;
const RETRY_MS_MAX = 15_000;
/** Of what was sent and not answered; one that is older is taken for somebody else's. */
const SENT_MAX = 32;
/** How often a write is begun anew at once because somebody else's came between. */
const WRITES_MAX = 8;

/**
 * One open file: its text, what the server is known to have, and the way from the one to the other. Knows no editor.
 * A keystroke is in the browser's storage within DRAFT_MS and at the server soon after; it is forgotten here only once the server has said so.
 */
export class Autosave {
  state: SaveState = { kind: 'loading' };
  /** What the server has, as far as is known. */
  private acked = '';
  /** What the server knows that by; none where it has no such file. */
  private tag: Tag = null;
  /** Prints of what was sent and never answered: the server may have any one of it, and it is ours. */
  private sent: readonly string[] = [];
  private latest: () => string = () => '';
  private draftTimer: ReturnType<typeof setTimeout> | undefined;
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private saving: Promise<void> | null = null;
  private isStopped = false;
  private retryMs = RETRY_MS_FIRST;
  private readonly path: string;
  private readonly rim: Rim;
  private readonly onState: () => void;

  constructor(path: string, rim: Rim, onState: () => void) {
    this.path = path;
    this.rim = rim;
    this.onState = onState;
  }

  /** Begins with what is read. Returns the text to begin with: the draft of an earlier page, where the server has not got it; none where there is one. */
  async open(reading: Promise<TextRead> = this.rim.read(this.path)): Promise<string | null> {
    const read = await reading.catch(errorOf);
    // Another reading was answered first: what was typed since is newer.
    if (this.state.kind !== 'loading' && this.state.kind !== 'unreadable') return null;
    if (read instanceof Error) return this.unreadable({ kind: 'unreadable', why: 'failed', error: read });
    const draft = this.rim.drafts.get(this.path);
    this.tag = read.kind === 'text' ? read.tag : null;
    if (read.kind === 'gone' && draft) return this.begin('', draft.text, null);
    if (read.kind !== 'text') return this.unreadable({ kind: 'unreadable', why: read.kind });
    const ours = draft?.sent.includes(print(read.text)) === true;
    if (!draft || (draft.text === read.text && (ours || draft.sent.length === 0))) {
      this.rim.drafts.remove(this.path);
      return this.begin(read.text, read.text, null);
    }
    // Where it was our own, what else was sent came too late for it.
    this.sent = ours ? [] : draft.sent;
    if (ours || draft.base === read.text) return this.begin(read.text, draft.text, null);
    // On the old base, so that a page that goes away before somebody has chosen is not the choice.
    return this.begin(draft.base, draft.text, read.text);
  }

  private begin(acked: string, text: string, theirs: string | null): string {
    this.acked = acked;
    this.latest = () => text;
    if (theirs !== null) this.become({ kind: 'conflict', theirs });
    else if (!this.isBehind(text)) this.become({ kind: 'saved' });
    else this.edited();
    return text;
  }

  private unreadable(state: SaveState): null {
    this.become(state);
    return null;
  }

  /** The text has changed; `latest` says what it is then. */
  edit(latest: () => string): void {
    this.latest = latest;
    this.edited();
  }

  private edited(): void {
    if (this.isStopped) return;
    this.draftTimer ??= setTimeout(() => { this.keepDraft(); }, DRAFT_MS);
    if (this.state.kind === 'conflict') return;
    // Said once, not with each key: whoever hears it draws the workspace anew.
    if (this.state.kind !== 'failed' && this.state.kind !== 'dirty') this.become({ kind: 'dirty' });
    if (this.saving || this.state.kind === 'failed') return;
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => void this.save(), SAVE_MS);
  }

  get text(): string {
    return this.latest();
  }

  /** Puts the text where a reload finds it. */
  keepDraft(): void {
    clearTimeout(this.draftTimer);
    this.draftTimer = undefined;
    const text = this.latest();
    if (this.isBehind(text)) this.rim.drafts.set(this.path, { base: this.acked, text, sent: this.sent });
  }

  /** Whether the server may have another text than this one. */
  private isBehind(text: string): boolean {
    return text !== this.acked || this.sent.length > 0;
  }

  get isSafe(): boolean {
    return this.state.kind === 'saved' || this.state.kind === 'unreadable' || this.state.kind === 'loading';
  }

  /** Saves now; whether the server has everything afterwards. */
  async flush(): Promise<boolean> {
    if (this.isSafe) return true;
    if (this.state.kind === 'conflict') return false;
    await this.save();
    return this.isSafe;
  }

  private save(): Promise<void> {
    clearTimeout(this.saveTimer);
    this.saving ??= this.saveAll().finally(() => { this.saving = null; });
    return this.saving;
  }

  private async saveAll(): Promise<void> {
    for (let text = this.latest(); this.isBehind(text); text = this.latest()) {
      if (this.isStopped) return;
      this.become({ kind: 'saving' });
      try {
        if (!(await this.write(text))) return;
      } catch (error) {
        this.fail(errorOf(error));
        return;
      }
      this.acked = text;
      this.sent = [];
      this.retryMs = RETRY_MS_FIRST;
    }
    this.rim.drafts.remove(this.path);
    this.become({ kind: 'saved' });
  }

  /** Puts the text over what is known to be there. Where something else is there it is looked at: whether it is ours. */
  private async write(text: string): Promise<boolean> {
    for (let tries = 0; tries < WRITES_MAX; tries += 1) {
      const before = this.sent;
      this.sent = [...before, print(text)].slice(-SENT_MAX);
      this.keepDraft();
      const done = await this.rim.write(this.path, text, this.tag);
      if (done.kind === 'written') {
        this.tag = done.tag;
        return true;
      }
      this.sent = before;
      const seen = await this.rim.read(this.path);
      if (seen.kind !== 'text' && seen.kind !== 'gone') throw new Error(`the file is ${seen.kind} now`);
      this.tag = seen.kind === 'text' ? seen.tag : null;
      if (seen.kind !== 'text' || seen.text === this.acked) continue;
      if (seen.text === text) return true;
      if (!this.sent.includes(print(seen.text))) {
        this.become({ kind: 'conflict', theirs: seen.text });
        return false;
      }
      // One of ours whose answer was lost.
      this.acked = seen.text;
      this.sent = [];
    }
    throw new Error('the file is written by others all the time');
  }

  private fail(error: Error): void {
    this.become({ kind: 'failed', error });
    if (this.isStopped) return;
    this.saveTimer = setTimeout(() => void this.save(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MS_MAX);
  }

  /** Ends a conflict. Returns the text that holds now. */
  resolve(whose: 'mine' | 'theirs'): string {
    if (this.state.kind !== 'conflict') return this.latest();
    const { theirs } = this.state;
    this.acked = theirs;
    const text = whose === 'mine' ? this.latest() : theirs;
    this.latest = () => text;
    this.become({ kind: 'dirty' });
    void this.save();
    return text;
  }

  /** Looks whether the file was changed elsewhere. Returns the new text where nothing here stands against it; throws where nobody answers. */
  async look(): Promise<string | null> {
    if (this.state.kind !== 'saved') return null;
    const known = this.tag;
    const seen = await this.rim.read(this.path);
    // What was saved meanwhile is newer than what was seen.
    const untouched = (this.state as SaveState).kind === 'saved' && this.latest() === this.acked && this.tag === known;
    if (seen.kind !== 'text' || seen.text === this.acked || !untouched) return null;
    this.acked = seen.text;
    this.tag = seen.tag;
    this.latest = () => seen.text;
    return seen.text;
  }

  /** Nothing more is written: the file may be no more, and what was begun in it may still end. */
  stop(): void {
    this.isStopped = true;
    clearTimeout(this.draftTimer);
    clearTimeout(this.saveTimer);
  }

  private become(state: SaveState): void {
    this.state = state;
    this.onState();
  }
}

/** Tells texts apart that one person wrote into one file. */
function print(text: string): string {
  let [one, two] = [0x811c9dc5, 0xdeadbeef];
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    one = Math.imul(one ^ unit, 0x01000193);
    two = Math.imul(two ^ unit, 0x5bd1e995);
  }
  return `${text.length.toString(36)}.${(one >>> 0).toString(36)}.${(two >>> 0).toString(36)}`;
}
