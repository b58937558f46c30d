import type { Piece, Run } from './runs';

/** Whatever stands in a notebook beside what we know: it is kept as it came. */
type Rest = Readonly<Record<string, unknown>>;

export type CellKind = 'code' | 'markdown' | 'raw';
export type Output = Rest & { readonly output_type: string };
export type Cell = { readonly key: number; readonly kind: CellKind; source: string; outputs: readonly Output[]; count: number | null; /** The run whose output it waits for, as its file claims: whoever wrote that may have lied. */ run: string | null; /** As it was read. */ readonly rest: Rest };
export type NotebookText = { readonly cells: readonly Cell[]; readonly rest: Rest };

const FORMAT = 4;
/** Since 4.5 cells have ids. */
const MINOR = 5;
/** More than these are shown as text: each is an editor. */
const CELLS_MAX = 1_000;

/** What we write of a cell; the rest of it is kept. */
const OURS: ReadonlySet<string> = new Set(['cell_type', 'id', 'metadata', 'source', 'outputs', 'execution_count']);
/** Our own name in the metadata of a cell. */
const MARK = 'madang';
const RUN = /^run_[0-9a-z]{1,40}$/;

let keys = 0;

const isRecord = (value: unknown): value is Rest => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Texts stand in notebooks as they are or as lists of lines. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? value.filter((line): line is string => typeof line === 'string').join('') : '';
}

/** As lists of lines, each with its end: so differences of versions can be read. */
function linesOf(text: string): string[] {
  return text === '' ? [] : text.split(/(?<=\n)/);
}

/** Eight hexadecimal digits: what the format wants is that no two cells of a notebook have the same. `randomUUID` is for HTTPS alone. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function newCell(kind: CellKind, source = ''): Cell {
  const rest = { cell_type: kind, id: newId(), metadata: {} };
  return { key: (keys += 1), kind, source, outputs: [], count: null, run: null, rest };
}

/** The notebook that a file says; none where it says none of a version that we know. An empty file is an empty notebook. */
export function parseNotebook(text: string, language: string): NotebookText | null {
  if (text.trim() === '') return { cells: [newCell('code')], rest: emptyNotebook(language) };
  let read: unknown;
  try {
    read = JSON.parse(text);
    // What is nested too deep to be written again is found out now, and not when something was typed.
    JSON.stringify(read);
  } catch {
    return null;
  }
  if (!isRecord(read) || read['nbformat'] !== FORMAT || !Array.isArray(read['cells']) || read['cells'].length > CELLS_MAX) return null;
  const cells = read['cells'].map(parseCell);
  return cells.every((cell) => cell !== null) ? { cells, rest: read } : null;
}

function emptyNotebook(language: string): Rest {
  const kernel = language === 'python' ? { name: 'python3', display_name: 'Python 3', language } : { name: language, display_name: language, language };
  return { cells: [], metadata: { kernelspec: kernel, language_info: { name: language } }, nbformat: FORMAT, nbformat_minor: MINOR };
}

function parseCell(read: unknown): Cell | null {
  if (!isRecord(read)) return null;
  const kind = read['cell_type'];
  if (kind !== 'code' && kind !== 'markdown' && kind !== 'raw') return null;
  const count = read['execution_count'];
  const outputs = Array.isArray(read['outputs']) ? read['outputs'].filter(isOutput) : [];
  return { key: (keys += 1), kind, source: textOf(read['source']), outputs, count: typeof count === 'number' ? count : null, run: kind === 'code' ? runIn(read['metadata']) : null, rest: read };
}

function runIn(metadata: unknown): string | null {
  const mark = isRecord(metadata) ? metadata[MARK] : null;
  const run = isRecord(mark) ? mark['run'] : null;
  return typeof run === 'string' && RUN.test(run) ? run : null;
}

/** The metadata of a cell, naming the run that it waits for while it does; whatever else it says stays. */
function marked(metadata: unknown, run: string | null): unknown {
  const said = isRecord(metadata) ? metadata : {};
  const mark = said[MARK];
  if (run === null && !isRecord(mark)) return metadata ?? {};
  const kept = isRecord(mark) ? without(mark, 'run') : {};
  const ours = run === null ? kept : { ...kept, run };
  return Object.keys(ours).length === 0 ? without(said, MARK) : { ...said, [MARK]: ours };
}

const without = (record: Rest, name: string): Rest => Object.fromEntries(Object.entries(record).filter(([one]) => one !== name));

function isOutput(value: unknown): value is Output {
  return isRecord(value) && typeof value['output_type'] === 'string';
}

/** The file of a notebook, written as Jupyter writes it. */
export function writeNotebook({ cells, rest }: NotebookText): string {
  const hasIds = typeof rest['nbformat_minor'] === 'number' && rest['nbformat_minor'] >= MINOR;
  return `${JSON.stringify({ ...rest, cells: cells.map((cell) => writeCell(cell, hasIds)) }, null, 1)}\n`;
}

function writeCell({ kind, source, outputs, count, run, rest }: Cell, hasIds: boolean): Rest {
  const others = Object.fromEntries(Object.entries(rest).filter(([name]) => !OURS.has(name)));
  const id = hasIds && rest['id'] !== undefined ? { id: rest['id'] } : {};
  const known = { ...others, cell_type: kind, ...id, metadata: marked(rest['metadata'], run), source: linesOf(source) };
  return kind === 'code' ? { ...known, execution_count: count, outputs } : known;
}

/** What a run said, as outputs of a cell. */
export function outputsOf(run: Run): Output[] {
  const failed = run.outcome !== null && run.outcome.verdict !== 'ok';
  const last = run.pieces.findLastIndex(({ kind }) => kind === 'stderr');
  const said = run.pieces.map((piece, at) => (failed && at === last && piece.kind === 'stderr' ? errorOf(piece.text) : outputOf(piece)));
  return run.problem === null ? said : [...said, { output_type: 'error', ename: 'Lost', evalue: run.problem.message, traceback: [run.problem.message] }];
}

function outputOf(piece: Piece): Output {
  if (piece.kind !== 'media') return { output_type: 'stream', name: piece.kind === 'stderr' ? 'stderr' : 'stdout', text: linesOf(piece.text) };
  const isText = piece.mime.startsWith('text/') || piece.mime === 'image/svg+xml' || piece.mime === 'application/json';
  const data = isText ? linesOf(new TextDecoder().decode(piece.bytes)) : base64(piece.bytes);
  return { output_type: 'display_data', data: { [piece.mime]: data }, metadata: {} };
}

/** The last line of a traceback names what went wrong. */
function errorOf(text: string): Output {
  const line = text.trimEnd().split('\n').at(-1) ?? '';
  const [, ename = 'Error', evalue = line] = /^([\w.]+)(?:: (.*))?$/.exec(line) ?? [];
  return { output_type: 'error', ename, evalue, traceback: text.trimEnd().split('\n') };
}

const CHUNK = 0x8000;

function base64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += CHUNK) binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(binary);
}

export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text.replace(/\s/g, '')), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}
