import { client } from '../api/client';
import { isQueryOf } from '../api/run-history';
import { newCell, outputsOf, parseNotebook, writeNotebook, type Cell, type CellKind, type NotebookText } from './nbformat';
import { Runs, type Run } from './runs';

/** A cell may take so long; another limit may end it sooner. */
const WALL_MS = 600_000;
/** Whoever began a run has so long to write what it said; then whoever has only followed it does. */
const SETTLE_MS = 2_000;
const RETRY_MS = 1_000;
/** Runs that a file may claim to wait for; more than a few are nothing that we wrote. */
const CLAIMS_MAX = 16;

export type CellView = Readonly<Cell> & { readonly state: 'idle' | 'queued' | 'running' };
export type NotebookView = { readonly cells: readonly CellView[]; readonly waiting: Run['waiting']; readonly isRunning: boolean };

/** The file of a notebook. `edit` says whether the notebook is its text still. */
export type NotebookFile = { readonly edit: (latest: () => string) => boolean; readonly look: () => Promise<void> };

/** A cell that is to run, or one whose run has begun already. */
type Queued = { readonly key: number; readonly run: string | null };

/**
 * One open notebook: its cells, and the queue of those that are to run. The one owner of both.
 * While a cell runs its file names the run, so whoever opens it next follows that from its first event: what a cell says outlives every page.
 */
export class Notebook {
  private cells: Cell[];
  private readonly rest: NotebookText['rest'];
  private queue: readonly Queued[] = [];
  private running: number | null = null;
  private counted = 0;
  private deleted: { cell: Cell; at: number }[] = [];
  private readonly runs: Runs;
  private readonly session: string;
  private readonly file: NotebookFile;
  private isLeft = false;
  private readonly listeners = new Set<() => void>();
  private shown: NotebookView;

  constructor(session: string, text: NotebookText, file: NotebookFile) {
    this.session = session;
    this.cells = [...text.cells];
    this.rest = text.rest;
    this.file = file;
    this.runs = new Runs(session);
    this.runs.subscribe(() => { this.hear(); });
    this.counted = Math.max(0, ...this.cells.map(({ count }) => count ?? 0));
    this.queue = this.cells.filter(({ run }) => run !== null).slice(0, CLAIMS_MAX);
    this.shown = this.view();
    if (this.queue.length > 0) void this.drain();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): NotebookView => this.shown;

  get isRunning(): boolean {
    return this.running !== null || this.queue.length > 0;
  }

  type(key: number, source: string): void {
    const cell = this.find(key);
    if (!cell || cell.source === source) return;
    this.change(key, { source });
    this.edited();
  }

  /** Puts an empty cell there; returns its key. */
  add(at: number, kind: CellKind): number {
    const cell = newCell(kind);
    this.cells = this.cells.toSpliced(Math.max(0, at), 0, cell);
    this.edited();
    return cell.key;
  }

  remove(key: number): void {
    const at = this.at(key);
    const cell = this.cells[at];
    if (!cell || key === this.running) return;
    this.queue = this.queue.filter((queued) => queued.key !== key);
    this.deleted.push({ cell, at });
    this.cells = this.cells.toSpliced(at, 1);
    if (this.cells.length === 0) this.cells = [newCell('code')];
    this.edited();
  }

  /** Brings back what was deleted last; returns its key. */
  restore(): number | null {
    const last = this.deleted.pop();
    if (!last) return null;
    this.cells = this.cells.toSpliced(Math.min(last.at, this.cells.length), 0, last.cell);
    this.edited();
    return last.cell.key;
  }

  move(key: number, by: 1 | -1): void {
    const at = this.at(key);
    const cell = this.cells[at];
    const to = at + by;
    if (!cell || to < 0 || to >= this.cells.length) return;
    this.cells = this.cells.toSpliced(at, 1).toSpliced(to, 0, cell);
    this.edited();
  }

  become(key: number, kind: CellKind): void {
    const cell = this.find(key);
    if (!cell || cell.kind === kind || key === this.running) return;
    this.change(key, { kind, outputs: [], count: null, run: null });
    this.edited();
  }

  clear(): void {
    this.cells = this.cells.map((cell) => ({ ...cell, outputs: [], count: null, run: null }));
    this.edited();
  }

  /** Runs these one after another, behind what is running. */
  run(keys: readonly number[]): void {
    if (this.isLeft) return;
    const wanted = keys.filter((key) => this.find(key)?.kind === 'code' && !this.isQueued(key) && key !== this.running);
    this.queue = [...this.queue, ...wanted.map((key) => ({ key, run: null }))];
    this.tell();
    if (this.running === null) void this.drain();
  }

  runAll(): void {
    this.run(this.cells.map(({ key }) => key));
  }

  private async drain(): Promise<void> {
    for (let [next, ...rest] = this.queue; next !== undefined; [next, ...rest] = this.queue) {
      this.queue = rest;
      const { key, run: claimed } = next;
      const cell = this.find(key);
      if (!cell) continue;
      this.running = key;
      const run = await (claimed === null ? this.begin(cell) : this.follow(cell, claimed));
      this.running = null;
      // The mark in the file stays, for whoever opens it next.
      if (this.isLeft) return;
      if (run) this.ended(key, run, claimed !== null);
    }
    this.tell();
  }

  private async begin({ key, source }: Cell): Promise<Run | null> {
    const isEmpty = source.trim() === '';
    this.change(key, { outputs: [], count: isEmpty ? null : (this.counted += 1), run: null });
    this.tell();
    if (isEmpty) {
      this.edited();
      return null;
    }
    return this.runs.run('', { mode: 'query', code: source, stdin_live: true, limits: { wall_ms: WALL_MS } }, (id) => {
      this.change(key, { run: id });
      this.edited();
    });
  }

  /** Follows the run that the file says the cell waits for, where it is one of this session: files are written by guests. */
  private async follow({ key }: Cell, run: string): Promise<Run | null> {
    this.tell();
    if (await this.isOurs(run)) return this.runs.follow('', run);
    this.change(key, { run: null });
    return null;
  }

  private async isOurs(run: string): Promise<boolean> {
    while (!this.isLeft) {
      const found = await isQueryOf(this.session, run).catch(() => null);
      if (found !== null) return found;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    return false;
  }

  private ended(key: number, run: Run, isFollowed: boolean): void {
    this.change(key, { outputs: outputsOf(run) });
    // As everywhere: what comes after a failure does not run.
    if (run.outcome?.verdict !== 'ok') this.dropQueue();
    // Where it was lost on the way the server may have the rest for the next page.
    if (isFollowed) void this.settle(key, run);
    else {
      if (run.problem === null) this.change(key, { run: null });
      this.edited();
    }
  }

  /** Keeps in the file what a run said that was begun elsewhere, where nobody else has done so. */
  private async settle(key: number, { id, problem }: Run): Promise<void> {
    this.tell();
    if (problem !== null) return;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await this.file.look();
    if (this.isLeft || this.find(key)?.run !== id) return;
    this.change(key, { run: null });
    this.edited();
  }

  private hear(): void {
    const cell = this.running === null ? undefined : this.find(this.running);
    const run = this.runs.snapshot().findLast(({ id }) => id !== null && id === cell?.run);
    if (cell && run) this.change(cell.key, { outputs: outputsOf(run) });
    this.tell();
  }

  /** What has begun already goes on, whoever looks. */
  private dropQueue(): void {
    this.queue = this.queue.filter(({ run }) => run !== null);
  }

  async stop(): Promise<void> {
    this.dropQueue();
    this.tell();
    await this.runs.stop();
  }

  write(line: string): Promise<void> {
    return this.runs.write(line);
  }

  end(): Promise<void> {
    return this.runs.endInput();
  }

  /** Another interpreter: every variable is forgotten. */
  async restart(): Promise<void> {
    this.dropQueue();
    await client.POST('/api/v1/sessions/{id}/restart', { params: { path: { id: this.session } } });
    this.counted = 0;
    this.tell();
  }

  leave(): void {
    this.isLeft = true;
    this.runs.leave();
  }

  text(): string {
    return writeNotebook({ cells: this.cells, rest: this.rest });
  }

  private at(key: number): number {
    return this.cells.findIndex((cell) => cell.key === key);
  }

  private find(key: number): Cell | undefined {
    return this.cells.find((cell) => cell.key === key);
  }

  private isQueued(key: number): boolean {
    return this.queue.some((queued) => queued.key === key);
  }

  private change(key: number, to: Partial<Cell>): void {
    this.cells = this.cells.map((cell) => (cell.key === key ? { ...cell, ...to } : cell));
  }

  private edited(): void {
    if (this.isLeft) return;
    if (!this.file.edit(() => this.text())) this.leave();
    this.tell();
  }

  private view(): NotebookView {
    const state = (key: number) => (key === this.running ? 'running' : this.isQueued(key) ? 'queued' : 'idle');
    return { cells: this.cells.map((cell) => ({ ...cell, state: state(cell.key) })), waiting: this.runs.live?.waiting ?? null, isRunning: this.isRunning };
  }

  private tell(): void {
    this.shown = this.view();
    for (const listener of this.listeners) listener();
  }
}

type Open = { version: number; notebook: Notebook | null };

/** The notebooks that are open, by what saves their file: they run on while another file is looked at. */
export class Notebooks {
  private readonly open = new Map<object, Open>();
  private readonly session: string;
  private readonly language: string;

  constructor(session: string, language: string) {
    this.session = session;
    this.language = language;
  }

  /** The notebook of this text, made anew where the text came from elsewhere; none where the text is no notebook. */
  of(file: object, version: number, text: string, rim: NotebookFile): Notebook | null {
    const known = this.open.get(file);
    if (known?.version === version) return known.notebook;
    known?.notebook?.leave();
    const read = parseNotebook(text, this.language);
    const notebook = read && new Notebook(this.session, read, rim);
    this.open.set(file, { version, notebook });
    return notebook;
  }

  find(file: object | undefined): Notebook | null {
    return file === undefined ? null : (this.open.get(file)?.notebook ?? null);
  }

  leave(): void {
    for (const { notebook } of this.open.values()) notebook?.leave();
  }
}
