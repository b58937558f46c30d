import { sendTo, type Schema } from './client';
import { lines } from './lines';
import { isPassing } from './problem';

export type RunEvent = Schema['StreamEvent'];
export type RunRequest = Schema['RunRequest'];

const LINES = 'application/x-ndjson';
const RETRY_MS = 500;
const RETRIES_MAX = 60;

export type BegunRun = { readonly id: string; readonly events: AsyncGenerator<RunEvent> };

/** Begins a run. Its events come in the same answer: asking for them afterwards would take as long again as a short program. */
export async function beginRun(session: string, request: RunRequest, signal: AbortSignal): Promise<BegunRun> {
  const headers = { accept: LINES, 'content-type': 'application/json' };
  const answer = await sendTo(`/api/v1/sessions/${encodeURIComponent(session)}/runs`, { method: 'POST', headers, body: JSON.stringify(request), signal });
  const id = /\/runs\/([^/]+)$/.exec(answer.headers.get('location') ?? '')?.[1];
  if (id === undefined) throw new Error('the server does not say which run it began');
  return { id, events: runEvents(id, signal, answer) };
}

/** A run's events, each once, whatever becomes of the connection meanwhile; first those of `answer`. */
export async function* runEvents(run: string, signal: AbortSignal, answer: Response | null = null): AsyncGenerator<RunEvent> {
  let last = -1;
  for (let tries = 0; ; tries += 1) {
    try {
      const events = tries === 0 && last < 0 && answer ? eventsIn(answer) : eventsAfter(run, last, signal);
      for await (const event of events) {
        last = event.seq;
        tries = 0;
        yield event;
        if (event.kind === 'finished') return;
      }
    } catch (error) {
      const broken = error instanceof TypeError || isPassing(error);
      if (signal.aborted || !broken || tries >= RETRIES_MAX) throw error;
    }
    if (tries >= RETRIES_MAX) throw new Error('the run ended without saying how');
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function* eventsAfter(run: string, last: number, signal: AbortSignal): AsyncGenerator<RunEvent> {
  const headers: Record<string, string> = { accept: LINES };
  if (last >= 0) headers['last-event-id'] = String(last);
  yield* eventsIn(await sendTo(`/api/v1/runs/${encodeURIComponent(run)}/events`, { headers, signal }));
}

async function* eventsIn(answer: Response): AsyncGenerator<RunEvent> {
  for await (const line of lines(answer)) yield JSON.parse(line) as RunEvent;
}

/** A live run's standard input. */
export class RunInput {
  private readonly socket: Promise<WebSocket>;

  constructor(run: string) {
    const url = new URL(`/api/v1/runs/${encodeURIComponent(run)}/attach`, location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    this.socket = new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.onopen = () => { resolve(socket); };
      socket.onerror = () => { reject(new Error('the program cannot be reached')); };
    });
  }

  async write(text: string): Promise<void> {
    (await this.socket).send(new TextEncoder().encode(text));
  }

  async end(): Promise<void> {
    (await this.socket).send(JSON.stringify({ stdin_end: true }));
  }

  async close(): Promise<void> {
    (await this.socket.catch(() => null))?.close();
  }
}
