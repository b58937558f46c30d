import { body, client, sendTo, type Schema } from './client';
import { lines } from './lines';
import { isPassing } from './problem';

export type RunEvent = Schema['StreamEvent'];
export type RunRequest = Schema['RunRequest'];

const RETRY_MS = 500;
const RETRIES_MAX = 60;

export async function beginRun(session: string, request: RunRequest): Promise<string> {
  const run = await body(client.POST('/api/v1/sessions/{id}/runs', { params: { path: { id: session } }, body: { ...request, wait: false } }));
  if (!('created_at' in run)) throw new Error('the server answers with a stream that nobody asked for');
  return run.id;
}

/** A run's events, each once, whatever becomes of the connection meanwhile. */
export async function* runEvents(run: string, signal: AbortSignal): AsyncGenerator<RunEvent> {
  let last = -1;
  for (let tries = 0; ; tries += 1) {
    try {
      for await (const event of eventsAfter(run, last, signal)) {
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
  const headers: Record<string, string> = { accept: 'application/x-ndjson' };
  if (last >= 0) headers['last-event-id'] = String(last);
  const answer = await sendTo(`/api/v1/runs/${encodeURIComponent(run)}/events`, { headers, signal });
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
