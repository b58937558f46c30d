import type { components } from './generated';

type Refusal = components['schemas']['Refusal'];
type Possible = components['schemas']['ReservationPossible'];
type Document = Partial<components['schemas']['Problem']> & { status: number; code: string; detail: string; title: string };

/** The codes that the web itself gives, beside the server's. */
const UNREACHABLE = 'unreachable';

/** An answer that is no good one: what the server says of it, or that there was no answer. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;
  /** Everything that resource policies have against the request. */
  readonly refusals: readonly Refusal[];
  /** What could be promised in place of a reservation that could not be kept. */
  readonly possible: Possible | null;

  constructor(document: Document) {
    super(document.detail);
    this.name = 'Problem';
    this.status = document.status;
    this.code = document.code;
    this.requestId = document.request_id ?? null;
    this.retryAfterMs = document.retry_after_ms ?? null;
    this.refusals = document.refusals ?? [];
    this.possible = document.possible ?? null;
  }
}

export function unreachable(): Problem {
  return new Problem({ status: 0, code: UNREACHABLE, title: 'unreachable', detail: 'The server does not answer.' });
}

export async function problemOf(answer: Response): Promise<Problem> {
  const document: unknown = await answer.json().catch(() => null);
  if (isDocument(document)) return new Problem(document);
  const detail = `The server answered ${String(answer.status)}.`;
  return new Problem({ status: answer.status, code: 'internal', title: answer.statusText, detail });
}

function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && 'code' in value && 'detail' in value && 'status' in value;
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof Problem && error.status === 401;
}

/** Whether the same may succeed later without anybody changing anything. */
export function isPassing(error: unknown): boolean {
  return error instanceof Problem && (error.code === UNREACHABLE || error.status === 429 || error.status >= 500);
}
