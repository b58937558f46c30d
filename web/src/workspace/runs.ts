import { client, type Schema } from '../api/client';
import { errorOf } from '../api/problem';
import { beginRun, runEvents, RunInput, type RunEvent, type RunRequest } from '../api/run-events';
import { bytesOf } from './blob-text';

export type Piece = { kind: 'stdout' | 'stderr' | 'log' | 'input'; text: string } | { kind: 'media'; mime: string; bytes: Uint8Array<ArrayBuffer> };

export type Run = {
  readonly key: number;
  readonly title: string;
  readonly mode: RunRequest['mode'];
  id: string | null;
  pieces: Piece[];
  /** How many characters of its output are not shown, because there were more than are kept. */
  dropped: number;
  waiting: { prompt: string; echo: boolean } | null;
  outcome: Schema['Outcome'] | null;
  problem: Error | null;
  step: Schema['Step'] | null;
  /** Whether somebody here has asked it to end. */
  isStopped: boolean;
};

const RUNS_MAX = 30;
const SHOWN_CHARS_MAX = 400_000;
/** What terminals would obey; here it would only be noise. */
// eslint-disable-next-line no-control-regex
const ESCAPES = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[P^_X][^\u001b]*\u001b\\|[@-Z\\-_])/g;

/** A text of a program without what terminals would obey. */
export const plain = (text: string): string => text.replace(ESCAPES, '').replace(/\r\n/g, '\n');

/** What was run from this page, the newest last. The one owner of it; components read snapshots. */
export class Runs {
  private runs: Run[] = [];
  /** Copies, made anew whenever something is told. */
  private shown: readonly Run[] = [];
  private readonly listeners = new Set<() => void>();
  private readonly session: string;
  private readonly stopped = new AbortController();
  private input: { run: string; input: RunInput } | null = null;
  private keys = 0;
  private told = false;

  constructor(session: string) {
    this.session = session;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): readonly Run[] => this.shown;

  get live(): Run | null {
    return this.runs.find((run) => run.outcome === null && run.problem === null) ?? null;
  }

  /** Runs it and follows it to its end, which it returns. `onBegun` hears the id as soon as there is one. */
  run(title: string, request: RunRequest, onBegun?: (id: string) => void): Promise<Run> {
    const run = this.add(title, request.mode);
    return this.hearAll(run, async () => {
      const { id, events } = await beginRun(this.session, request, this.stopped.signal);
      run.id = id;
      onBegun?.(id);
      return events;
    });
  }

  /** Follows a query that was begun elsewhere, from its first event to its end. */
  follow(title: string, id: string): Promise<Run> {
    const run = this.add(title, 'query');
    run.id = id;
    return this.hearAll(run, () => Promise.resolve(answered(run, runEvents(id, this.stopped.signal))));
  }

  private add(title: string, mode: RunRequest['mode']): Run {
    const run: Run = { key: (this.keys += 1), title, mode, id: null, pieces: [], dropped: 0, waiting: null, outcome: null, problem: null, step: null, isStopped: false };
    this.runs = [...this.runs, run].slice(-RUNS_MAX);
    this.tell();
    return run;
  }

  private async hearAll(run: Run, begin: () => Promise<AsyncGenerator<RunEvent>>): Promise<Run> {
    try {
      const events = await begin();
      this.tell();
      const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
      for await (const event of events) {
        hear(run, event, decoders);
        this.tell();
      }
    } catch (error) {
      if (!this.stopped.signal.aborted) run.problem = errorOf(error);
    }
    if (this.input?.run === run.id) await this.closeInput();
    this.tell();
    return { ...run };
  }

  async write(line: string): Promise<void> {
    const run = this.live;
    if (!run?.id) return;
    add(run, { kind: 'input', text: run.waiting?.echo === false ? '•••\n' : `${line}\n` });
    run.waiting = null;
    this.tell();
    await this.inputOf(run.id).write(`${line}\n`);
  }

  async endInput(): Promise<void> {
    const run = this.live;
    if (run?.id) await this.inputOf(run.id).end();
  }

  private inputOf(run: string): RunInput {
    if (this.input?.run !== run) this.input = { run, input: new RunInput(run) };
    return this.input.input;
  }

  private async closeInput(): Promise<void> {
    const input = this.input?.input;
    this.input = null;
    await input?.close();
  }

  /** Interrupts what an interpreter does, as Ctrl-C; ends any other program. */
  async stop(): Promise<void> {
    const run = this.live;
    if (!run?.id) return;
    run.isStopped = true;
    if (run.mode === 'query') await client.POST('/api/v1/sessions/{id}/interrupt', { params: { path: { id: this.session } } });
    else await client.DELETE('/api/v1/runs/{id}', { params: { path: { id: run.id } } });
  }

  clear(): void {
    this.runs = this.runs.filter((run) => run === this.live);
    this.tell();
  }

  /** Stops following; what runs goes on. */
  leave(): void {
    this.stopped.abort();
    void this.closeInput();
  }

  /** Once a frame at most, however much a program writes. */
  private tell(): void {
    if (this.told) return;
    this.told = true;
    requestAnimationFrame(() => {
      this.told = false;
      this.shown = this.runs.map((run) => ({ ...run }));
      for (const listener of this.listeners) listener();
    });
  }
}

/** Events of a run that others may answer: what it says after it has waited is all that tells that somebody did. */
async function* answered(run: Run, events: AsyncGenerator<RunEvent>): AsyncGenerator<RunEvent> {
  for await (const event of events) {
    if (event.kind === 'stdout' || event.kind === 'stderr' || event.kind === 'media') run.waiting = null;
    yield event;
  }
}

function hear(run: Run, event: RunEvent, decoders: { stdout: TextDecoder; stderr: TextDecoder }): void {
  switch (event.kind) {
    case 'stdout':
    case 'stderr':
      add(run, { kind: event.kind, text: decoders[event.kind].decode(bytesOf(event.data), { stream: true }) });
      break;
    case 'media':
      run.pieces = [...run.pieces, { kind: 'media', mime: event.mime, bytes: bytesOf(event.data) }];
      break;
    case 'log':
      add(run, { kind: 'log', text: `${event.text}\n` });
      break;
    case 'waiting-input':
      run.waiting = { prompt: event.prompt, echo: event.echo };
      if (event.prompt !== '') add(run, { kind: 'stdout', text: event.prompt });
      break;
    case 'step-started':
      run.step = event.step;
      break;
    case 'finished':
      run.outcome = event.outcome;
      run.waiting = null;
      break;
    case 'started':
    case 'step-finished':
    case 'usage':
      break;
  }
}

function add(run: Run, piece: Exclude<Piece, { kind: 'media' }>): void {
  const text = plain(piece.text);
  const last = run.pieces.at(-1);
  const joined = last && last.kind === piece.kind ? { kind: piece.kind, text: last.text + text } : { kind: piece.kind, text };
  const before = last && last.kind === piece.kind ? run.pieces.slice(0, -1) : run.pieces;
  const over = joined.text.length - SHOWN_CHARS_MAX;
  if (over > 0) {
    run.dropped += over;
    joined.text = joined.text.slice(over);
  }
  run.pieces = [...before, joined];
}
