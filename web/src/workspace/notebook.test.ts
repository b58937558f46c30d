import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { RunEvent } from '../api/run-events';
import { parseNotebook } from './nbformat';
import { Notebook } from './notebook';

const RUN = 'run_01kb7d2m4q8x5t6v9w0y1z2a3c';
const usage = { wall_us: 1, cpu_user_us: 1, cpu_system_us: 0, memory_peak_bytes: 1, memory_kib_ms: 1, read_bytes: 0, written_bytes: 0 };
const EVENTS = [
  { kind: 'stdout', data: 'one\n', seq: 0 },
  { kind: 'waiting-input', prompt: 'Who? ', echo: true, seq: 1 },
  { kind: 'stdout', data: 'two\n', seq: 2 },
  { kind: 'finished', outcome: { verdict: 'ok', usage, exit_code: 0 }, seq: 3 },
] as unknown as RunEvent[];

/** The run as the server tells it, and what it was asked. */
let view: unknown;
let asked: string[];

beforeEach(() => {
  view = { id: RUN, session: 'ses_mine', mode: 'query', state: 'running', created_at: '' };
  asked = [];
  vi.stubGlobal('fetch', (request: Request) => {
    const { pathname } = new URL(request.url);
    asked.push(`${request.method} ${pathname}`);
    if (pathname.endsWith('/events')) return Promise.resolve(new Response(EVENTS.map((event) => `${JSON.stringify(event)}\n`).join('')));
    return Promise.resolve(view === null ? Response.json({ code: 'not-found', detail: 'no such run', title: '', status: 404 }, { status: 404 }) : Response.json(view));
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'requestAnimationFrame'] });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const FILE = JSON.stringify({
  cells: [
    { cell_type: 'code', id: 'a', metadata: { madang: { run: RUN }, kept: 1 }, outputs: [{ output_type: 'stream', name: 'stdout', text: ['on'] }], execution_count: 7, source: 'a' },
    { cell_type: 'code', id: 'b', metadata: {}, outputs: [], execution_count: null, source: 'b' },
  ],
  metadata: {}, nbformat: 4, nbformat_minor: 5,
});

type Written = { cells: { outputs: unknown[]; metadata: unknown; execution_count: number | null }[] };

/** The notebook of that file, and what is written into it. */
function opened(isCurrent = () => true) {
  const text = parseNotebook(FILE, 'python');
  if (!text) throw new Error('no notebook');
  const written: Written[] = [];
  const edit = (latest: () => string) => {
    if (isCurrent()) written.push(JSON.parse(latest()) as Written);
    return isCurrent();
  };
  const look = vi.fn(() => Promise.resolve());
  return { notebook: new Notebook('ses_mine', text, { edit, look }), written, look };
}

const SAID = [{ output_type: 'stream', name: 'stdout', text: ['one\n', 'Who? two\n'] }];

test('a run that the file names is followed from its first event, and written once where nobody else did', async () => {
  const { notebook, written, look } = opened();
  expect(notebook.snapshot().cells.map(({ state }) => state)).toEqual(['running', 'idle']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(notebook.snapshot()).toMatchObject({ isRunning: false, waiting: null });
  expect(notebook.snapshot().cells[0]).toMatchObject({ outputs: SAID, count: 7, state: 'idle' });
  expect(written).toEqual([]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(look).toHaveBeenCalledTimes(1);
  expect(written).toMatchObject([{ cells: [{ outputs: SAID, metadata: { kept: 1 }, execution_count: 7 }, {}] }]);
  expect(asked).toEqual([`GET /api/v1/runs/${RUN}`, `GET /api/v1/runs/${RUN}/events`]);
});

test('who only follows writes nothing where the file has come anew meanwhile', async () => {
  let isCurrent = true;
  const { notebook, written } = opened(() => isCurrent);
  await vi.advanceTimersByTimeAsync(1_000);
  isCurrent = false;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(written).toEqual([]);
  // It is nobody's any more: nothing of it runs.
  notebook.run([notebook.snapshot().cells[1]?.key ?? 0]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked.filter((one) => one.startsWith('POST'))).toEqual([]);
});

test('a run that is none of this session, no query, or not there is ignored, and what the file says stays', async () => {
  for (const other of [{ session: 'ses_other' }, { session: null }, { mode: 'command' }, null]) {
    asked = [];
    view = other && { id: RUN, session: 'ses_mine', mode: 'query', state: 'finished', created_at: '', ...other };
    const { notebook, written } = opened();
    await vi.advanceTimersByTimeAsync(6_000);
    expect(notebook.snapshot().cells[0], JSON.stringify(other)).toMatchObject({ outputs: [{ text: ['on'] }], run: null, state: 'idle' });
    expect(asked).toEqual([`GET /api/v1/runs/${RUN}`]);
    expect(written).toEqual([]);
  }
});
