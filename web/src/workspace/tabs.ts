import { readText, writeOver, type Tag } from '../api/files';
import { readOpened } from './ahead';
import { keepTabs, keptTabs } from './kept-tabs';
import { Autosave, type SaveState } from './autosave';
import { storedDrafts } from './drafts';

/** Where in a text: lines from 0, and UTF-16 units from a line's begin. */
export type Place = { readonly line: number; readonly character: number };

export type Tab = { readonly path: string; readonly file: Autosave; state: SaveState; /** What the editor begins with; none until it is read. */ text: string | null; /** Counts texts that came from elsewhere. */ version: number; /** Where it is to be looked at, until it is. */ place: Place | null };

type Snapshot = { readonly tabs: readonly Tab[]; readonly active: string | null };

const LOOK_AGAIN_MS = 3_000;

/** The files that are open, and which of them is looked at. */
export class Tabs {
  private tabs: Tab[] = [];
  private active: string | null = null;
  private shown: Snapshot = { tabs: [], active: null };
  private readonly listeners = new Set<() => void>();
  private readonly session: string;
  private isLeft = false;
  private lookTimer: ReturnType<typeof setTimeout> | undefined;
  /** Tells this browser's other tabs what was saved: two that are seen side by side hear of nothing else. */
  private readonly saved: BroadcastChannel;

  constructor(session: string) {
    this.session = session;
    this.saved = new BroadcastChannel(`madang.saved:${session}`);
    this.saved.onmessage = () => void this.look();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): Snapshot => this.shown;

  /** Opens what was open when this workspace was last looked at. Whether there was anything. */
  restore(): boolean {
    const kept = keptTabs(this.session);
    for (const path of kept.paths) this.open(path, path === kept.active);
    return kept.paths.length > 0;
  }

  /** Opens a file, to be looked at where `place` says. */
  openAt(path: string, place: Place): void {
    this.open(path);
    const tab = this.current;
    if (tab) tab.place = place;
    this.tell();
  }

  /** The place has come into sight. */
  placed(path: string): void {
    const tab = this.tabs.find((tab) => tab.path === path);
    if (tab?.place) tab.place = null;
    this.tell();
  }

  open(path: string, activate = true): void {
    if (!this.tabs.some((tab) => tab.path === path)) this.begin(path);
    if (activate || this.active === null) this.active = path;
    this.tell();
  }

  private begin(path: string): void {
    const rim = {
      read: (path: string) => readText(this.session, path),
      write: (path: string, text: string, known: Tag) => writeOver(this.session, path, text, known),
      drafts: storedDrafts(this.session),
    };
    const file = new Autosave(path, rim, () => {
      const { state } = tab.file;
      if (tab.state.kind === 'saving' && state.kind === 'saved') this.saved.postMessage(null);
      tab.state = state;
      this.tell();
    });
    const tab: Tab = { path, file, state: file.state, text: null, version: 0, place: null };
    this.tabs = [...this.tabs, tab];
    void file.open(readOpened(this.session, path)).then((text) => { this.replace(tab, text); });
  }

  /** Reads a file again that could not be read. */
  async retry(path: string): Promise<void> {
    const tab = this.tabs.find((tab) => tab.path === path);
    if (tab?.state.kind === 'unreadable' && tab.state.why === 'failed') this.replace(tab, await tab.file.open());
  }

  private replace(tab: Tab, text: string | null): void {
    if (text === null) return;
    tab.text = text;
    tab.version += 1;
    this.tell();
  }

  async close(path: string): Promise<void> {
    const tab = this.tabs.find((tab) => tab.path === path);
    if (!tab) return;
    await tab.file.flush();
    // What could not be saved stays open: closing it would hide that.
    if (tab.file.isSafe) this.drop(path);
  }

  /** Forgets a file that is no more, or is called otherwise now. */
  drop(path: string): void {
    const gone = (one: string) => one === path || one.startsWith(`${path}/`);
    const at = this.tabs.findIndex((tab) => gone(tab.path));
    for (const tab of this.tabs) if (gone(tab.path)) tab.file.stop();
    this.tabs = this.tabs.filter((tab) => !gone(tab.path));
    if (this.active !== null && gone(this.active)) this.active = (this.tabs[at] ?? this.tabs[at - 1] ?? this.tabs[0])?.path ?? null;
    this.tell();
  }

  /** A text that was made of this version of a file. Whether it is one still: what has come from elsewhere since is not written over unseen. */
  edit(file: Autosave, version: number, latest: () => string): boolean {
    const isCurrent = this.tabs.some((tab) => tab.file === file && tab.version === version);
    if (isCurrent) file.edit(latest);
    return isCurrent;
  }

  get current(): Tab | null {
    return this.tabs.find((tab) => tab.path === this.active) ?? null;
  }

  /** Saves everything. Whether the server has everything now. */
  async flush(): Promise<boolean> {
    return (await Promise.all(this.tabs.map((tab) => tab.file.flush()))).every(Boolean);
  }

  /** Puts everything where a reload finds it; there is no time for more when a page goes away. */
  keepDrafts(): void {
    for (const tab of this.tabs) if (!tab.file.isSafe) tab.file.keepDraft();
  }

  get isSafe(): boolean {
    return this.tabs.every((tab) => tab.file.isSafe);
  }

  /** Reads again what others may have written; again a little later where nobody answers. */
  async look(): Promise<void> {
    clearTimeout(this.lookTimer);
    const looks = await Promise.allSettled(this.tabs.map(async (tab) => { this.replace(tab, await tab.file.look()); }));
    if (this.isLeft || looks.every(({ status }) => status === 'fulfilled')) return;
    clearTimeout(this.lookTimer);
    this.lookTimer = setTimeout(() => void this.look(), LOOK_AGAIN_MS);
  }

  resolve(path: string, whose: 'mine' | 'theirs'): void {
    const tab = this.tabs.find((tab) => tab.path === path);
    if (tab) this.replace(tab, tab.file.resolve(whose));
  }

  leave(): void {
    this.isLeft = true;
    clearTimeout(this.lookTimer);
    this.keepDrafts();
    // What is still to be saved is told to the other tabs, too.
    void this.flush().finally(() => { this.saved.close(); });
  }

  private tell(): void {
    this.shown = { tabs: this.tabs.map((tab) => ({ ...tab })), active: this.active };
    keepTabs(this.session, { paths: this.tabs.map((tab) => tab.path), active: this.active });
    for (const listener of this.listeners) listener();
  }
}
