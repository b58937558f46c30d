import type { ProblemCode } from '../../api/problem';

/** What kind of failure it was, for each code; said where the server says nothing better in the page's language. */
export const problemEn = {
  'problem.malformed': 'The server could not read the request. Load the page again, and do it once more.',
  'problem.invalid': 'A value is not valid. Correct it, and try again.',
  'problem.unsupported': 'This server cannot do that yet.',
  'problem.unauthenticated': 'Sign in first.',
  'problem.forbidden': 'You may not do that.',
  'problem.not-found': 'It was not found: it is gone, or you may not see it.',
  'problem.method-not-allowed': 'That cannot be done here. Load the page again, and do it once more.',
  'problem.conflict': 'It cannot be done as things are now, or the name is taken.',
  'problem.precondition': 'It was changed elsewhere meanwhile.',
  'problem.idempotency-mismatch': 'The request was taken for another one. Load the page again, and do it once more.',
  'problem.unkeepable': 'That cannot be promised. Try another time, or fewer.',
  'problem.too-large': 'What was sent is too large.',
  'problem.media-type': 'The server does not read that kind of file.',
  'problem.upgrade-required': 'This address needs a WebSocket, which something between here and the server does not let through.',
  'problem.limit': 'A limit does not allow that.',
  'problem.too-many': 'Too many at once.',
  'problem.capacity': 'There is no room now.',
  'problem.unavailable': 'A part that is needed does not answer.',
  'problem.draining': 'The server is stopping, and takes nothing new.',
  'problem.frozen': 'Nothing new is begun for now; what runs goes on.',
  'problem.deadline': 'It took too long.',
  'problem.internal': 'Something went wrong in the server.',
  'problem.mismatch': 'What arrived is not what was sent. Send it again.',
  'problem.no-space': 'The folder has no space left.',
  'problem.range': 'The file has no such part.',
  'problem.command': 'A command in the session failed.',
  'problem.elsewhere': 'The files of this folder are served by another machine, which this page may not ask. `madang cp` reaches them.',
  'problem.unreachable': 'The server does not answer.',
  'problem.unreadable': 'The answer is not one of this server ({status}).',
  'problem.unknown': 'The server did not do it.',
} as const satisfies Record<`problem.${ProblemCode | 'unknown'}`, string>;

/** What to do about it, where that helps whoever knows what the server says. */
export const problemNextEn = {
  'next.again': '{seconds, plural, =0 {Try again in a moment.} one {Try again in # second.} other {Try again in # seconds.}}',
  'next.ask': 'Who administers this server, or whose it is, can allow it.',
  'next.look': 'Look at what is there now, and do it again.',
  'next.signin': 'Load the page again to sign in.',
  'next.space': 'Delete what is no longer needed, or ask for a larger quota.',
  'next.tell': 'If it happens again, tell an administrator the request {request}.',
} as const satisfies Record<string, string>;
