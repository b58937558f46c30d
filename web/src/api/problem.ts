import type { components } from './generated';

type Refusal = components['schemas']['Refusal'];
type Possible = components['schemas']['ReservationPossible'];
/** `detail` is English and the server's own word; there is none where the web itself says what is wrong. */
type Document = Omit<Partial<components['schemas']['Problem']>, 'code'> & { status: number; code: string };

/** What the server may say, by its document. */
type ServerCode = components['schemas']['Problem']['code'];
/** What the service of files says beside that, and what the web itself says. */
export const OTHER_CODES = ['mismatch', 'no-space', 'range', 'command', 'elsewhere', 'unreachable', 'unreadable'] as const;
/** Kinds of failure that the page has a text for. */
export type ProblemCode = ServerCode | (typeof OTHER_CODES)[number];

const UNREACHABLE = 'unreachable' satisfies ProblemCode;

/** An answer that is no good one: what the server says of it, or that there was no answer. */
export class Problem extends Error {
  readonly status: number;
  /** One of `ProblemCode`, or of a later server's. */
  readonly code: string;
  readonly detail: string | null;
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;
  /** Everything that resource policies have against the request. */
  readonly refusals: readonly Refusal[];
  /** What could be promised in place of a reservation that could not be kept. */
  readonly possible: Possible | null;

  constructor(document: Document) {
    super(document.detail ?? document.code);
    this.name = 'Problem';
    this.status = document.status;
    this.code = document.code;
    this.detail = document.detail ?? null;
    this.requestId = document.request_id ?? null;
    this.retryAfterMs = document.retry_after_ms ?? null;
    this.refusals = document.refusals ?? [];
    this.possible = document.possible ?? null;
  }
}

export function unreachable(): Problem {
  return new Problem({ status: 0, code: UNREACHABLE });
}

/** An answer that is none of our server's. */
export function unreadable(status: number): Problem {
  return new Problem({ status, code: 'unreadable' satisfies ProblemCode });
}

export async function problemOf(answer: Response): Promise<Problem> {
  const document: unknown = await answer.json().catch(() => null);
  return isDocument(document) ? new Problem(document) : unreadable(answer.status);
}

function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && 'code' in value && 'detail' in value && 'status' in value;
}

/** Whatever was thrown, as an error. */
export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof Problem && error.status === 401;
}

/** Whether the same may succeed later without anybody changing anything. */
export function isPassing(error: unknown): boolean {
  return error instanceof Problem && (error.code === UNREACHABLE || error.status === 429 || error.status >= 500);
}
