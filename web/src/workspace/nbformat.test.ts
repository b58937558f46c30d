import { expect, test } from 'vitest';
import { outputsOf, parseNotebook, writeNotebook } from './nbformat';
import type { Run } from './runs';

const FILE = {
  cells: [
    { cell_type: 'markdown', id: 'm1', metadata: { tags: ['x'], ours: { not: 1 } }, source: ['# 제목\n', 'text'], attachments: { 'a.png': { 'image/png': 'AAAA' } } },
    { cell_type: 'code', execution_count: 3, id: 'c1', metadata: { collapsed: true }, outputs: [{ output_type: 'execute_result', data: { 'text/plain': ['1'] }, execution_count: 3, metadata: {}, strange: 1 }], source: 'print(1)', unknown: [1] },
    { cell_type: 'raw', id: 'r1', metadata: {}, source: [] },
  ],
  metadata: { kernelspec: { name: 'python3' }, widgets: { state: {} } },
  nbformat: 4,
  nbformat_minor: 5,
  extra: 'kept',
};

const written = (text: string): unknown => {
  const read = parseNotebook(text, 'python');
  return read && JSON.parse(writeNotebook(read));
};

test('what a notebook says beside what we know is kept', () => {
  const [markdown, code, raw] = FILE.cells;
  expect(written(JSON.stringify(FILE))).toEqual({ ...FILE, cells: [markdown, { ...code, source: ['print(1)'] }, raw] });
});

test('a notebook from before cells had ids gets none', () => {
  const old = { ...FILE, nbformat_minor: 4, cells: [{ cell_type: 'code', execution_count: null, metadata: {}, outputs: [], source: ['1'] }] };
  expect(written(JSON.stringify(old))).toEqual(old);
});

test('an empty file is a new notebook, and what is none is not taken for one', () => {
  expect(written('')).toMatchObject({ nbformat: 4, metadata: { kernelspec: { name: 'python3' } }, cells: [{ cell_type: 'code', source: [], outputs: [], execution_count: null }] });
  for (const bad of ['{', '[]', '{"nbformat":3,"cells":[]}', '{"nbformat":4}', '{"nbformat":4,"cells":[1]}', '{"nbformat":4,"cells":[{"cell_type":"evil"}]}']) expect(written(bad), bad).toBeNull();
});

test('what a run said becomes outputs, and its failure an error with a name', () => {
  const usage = { wall_us: 1, cpu_user_us: 1, cpu_system_us: 0, memory_peak_bytes: 1, memory_kib_ms: 1, read_bytes: 0, written_bytes: 0 };
  const run: Run = {
    key: 1, title: '', mode: 'query', id: 'run_1', dropped: 0, waiting: null, problem: null, step: null, isStopped: false,
    pieces: [{ kind: 'stdout', text: 'a\nb\n' }, { kind: 'media', mime: 'image/png', bytes: new Uint8Array([0, 255]) }, { kind: 'stderr', text: 'Traceback\nValueError: no good\n' }],
    outcome: { verdict: 'nonzero-exit', usage, exit_code: 1 },
  };
  expect(outputsOf(run)).toEqual([
    { output_type: 'stream', name: 'stdout', text: ['a\n', 'b\n'] },
    { output_type: 'display_data', data: { 'image/png': 'AP8=' }, metadata: {} },
    { output_type: 'error', ename: 'ValueError', evalue: 'no good', traceback: ['Traceback', 'ValueError: no good'] },
  ]);
});

test('a cell names the run that it waits for beside whatever else its metadata says, and nothing else is taken for one', () => {
  const run = 'run_01kb7d2m4q8x5t6v9w0y1z2a3c';
  const book = (metadata: unknown) => JSON.stringify({ ...FILE, cells: [{ cell_type: 'code', id: 'c', metadata, outputs: [], execution_count: null, source: '' }] });
  const read = (metadata: unknown) => parseNotebook(book(metadata), 'python');
  const became = (metadata: unknown, run: string | null) => {
    const notebook = read(metadata);
    const [cell] = notebook?.cells ?? [];
    const file = notebook && cell && (JSON.parse(writeNotebook({ ...notebook, cells: [{ ...cell, run }] })) as { cells: { metadata: unknown }[] });
    return file?.cells[0]?.metadata;
  };
  expect(became({ tags: ['x'] }, run)).toEqual({ tags: ['x'], madang: { run } });
  expect(read({ tags: ['x'], madang: { run } })?.cells[0]?.run).toBe(run);
  expect(became({ tags: ['x'], madang: { run } }, null)).toEqual({ tags: ['x'] });
  expect(became({ madang: { run, later: 1 } }, null)).toEqual({ madang: { later: 1 } });
  expect(became({ madang: 5 }, null)).toEqual({ madang: 5 });
  for (const bad of [{ madang: { run: `${run}/../x` } }, { madang: { run: [run] } }, { madang: run }, { madang: null }, [run], null, run]) expect(read(bad)?.cells[0]?.run, JSON.stringify(bad)).toBeNull();
});
