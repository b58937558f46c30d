import { client } from '../api/client';
import { newCell, outputsOf, parseNotebook, writeNotebook, type Cell, type CellKind, type NotebookText } from './nbformat';
import { Runs, type Run } from './runs';

/** A cell may take so long; another limit may end it sooner. */
const WALL_MS = 600_000;

export type CellView = Readonly<Cell> & { readonly state: 'idle' | 'queued' | 'running' };
export type NotebookView = { readonly cells: readonly CellView[]; readonly waiting: Run['waiting']; readonly isRunning: boolean };

/** One open notebook: its cells, and the queue of those that are to run. The one owner of both. */
export class Notebook {
  private cells: Cell[];
  private readonly rest: NotebookText['rest'];
  private queue: number[] = [];
  private running: number | null = null;
  private counted = 0;
  private deleted: { cell: Cell; at: number }[] = [];
  private readonly runs: Runs;
  private readonly session: string;
  private readonly onEdit: (latest: () => string) => void;
  private readonly listeners = new Set<() => void>();
  private shown: NotebookView;

  constructor(session: string, text: NotebookText, onEdit: (latest: () => string) => void) {
    this.session = session;
    this.cells = [...text.cells];
    this.rest = text.rest;
    this.onEdit = onEdit;
    this.runs = new Runs(session);
    this.runs.subscribe(() => { this.hear(); });
    this.counted = Math.max(0, ...this.cells.map(({ count }) => count ?? 0));
    this.shown = this.view();
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
    this.queue = this.queue.filter((queued) => queued !== key);
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
    this.change(key, { kind, outputs: [], count: null });
    this.edited();
  }

  clear(): void {
    this.cells = this.cells.map((cell) => ({ ...cell, outputs: [], count: null }));
    this.edited();
  }

  /** Runs these one after another, behind what is running. */
  run(keys: readonly number[]): void {
    const wanted = keys.filter((key) => this.find(key)?.kind === 'code' && !this.queue.includes(key) && key !== this.running);
    this.queue = [...this.queue, ...wanted];
    this.tell();
    if (this.running === null) void this.drain();
  }

  runAll(): void {
    this.run(this.cells.map(({ key }) => key));
  }

  private async drain(): Promise<void> {
    for (let key = this.queue.shift(); key !== undefined; key = this.queue.shift()) {
      const cell = this.find(key);
      if (!cell) continue;
      this.running = key;
      this.change(key, { outputs: [], count: null });
      this.tell();
      const { source } = cell;
      const run = source.trim() === '' ? null : await this.runs.run('', { mode: 'query', code: source, stdin_live: true, limits: { wall_ms: WALL_MS } });
      this.ended(key, run);
    }
    this.running = null;
    this.edited();
  }

  private ended(key: number, run: Run | null): void {
    this.running = null;
    if (!run) return;
    this.change(key, { outputs: outputsOf(run), count: (this.counted += 1) });
    // As everywhere: what comes after a failure does not run.
    if (run.outcome?.verdict !== 'ok') this.queue = [];
    this.edited();
  }

  private hear(): void {
    const run = this.runs.snapshot().at(-1);
    if (run && this.running !== null) this.change(this.running, { outputs: outputsOf(run) });
    this.tell();
  }

  async stop(): Promise<void> {
    this.queue = [];
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
    this.queue = [];
    await client.POST('/api/v1/sessions/{id}/restart', { params: { path: { id: this.session } } });
    this.counted = 0;
    this.tell();
  }

  leave(): void {
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

  private change(key: number, to: Partial<Cell>): void {
    this.cells = this.cells.map((cell) => (cell.key === key ? { ...cell, ...to } : cell));
  }

  private edited(): void {
    this.onEdit(() => this.text());
    this.tell();
  }

  private view(): NotebookView {
    const state = (key: number) => (key === this.running ? 'running' : this.queue.includes(key) ? 'queued' : 'idle');
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
  of(file: object, version: number, text: string, onEdit: (latest: () => string) => void): Notebook | null {
    const known = this.open.get(file);
    if (known?.version === version) return known.notebook;
    known?.notebook?.leave();
    const read = parseNotebook(text, this.language);
    const notebook = read && new Notebook(this.session, read, onEdit);
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
