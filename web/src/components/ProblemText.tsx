import { useIntl } from 'react-intl';
import { Problem, type ProblemCode } from '../api/problem';
import { en } from '../i18n/en';
import { useText, type MessageId } from '../i18n/text';
import { shown } from '../workspace/names';
import { sentences } from './sentences';
import { WithEnglish } from './WithEnglish';

type Text = ReturnType<typeof useText>;

/** Shorter waits are over before somebody has read of them. */
const MOMENT_MS = 2_000;

const NEXT: Partial<Record<ProblemCode, MessageId>> = {
  unauthenticated: 'next.signin',
  forbidden: 'next.ask',
  precondition: 'next.look',
  'too-many': 'next.again',
  capacity: 'next.again',
  unavailable: 'next.again',
  draining: 'next.again',
  frozen: 'next.again',
  deadline: 'next.again',
  internal: 'next.tell',
  'no-space': 'next.space',
};

type Props = { error: Error; /** Left out where the page itself tries again. */ next?: 'said' | 'left-out' };

/** What went wrong and what can be done. What the server says of it is English: elsewhere it comes after the page's own words, and readers are told its language. */
export function ProblemText({ error, next = 'said' }: Props) {
  const t = useText();
  const { locale } = useIntl();
  const problem = error instanceof Problem ? error : null;
  // A guest's program may have chosen a name in it.
  const detail = shown((problem ? (problem.detail ?? '') : error.message).trim().replace(/\s+/g, ' '));
  const kind = problem && kindOf(problem, t);
  const step = problem && next === 'said' ? stepOf(problem, t) : null;
  if (locale === 'en') return detail === '' ? sentences([kind, step]) : /\bagain\b/i.test(detail) ? detail : sentences([detail, step]);
  return <WithEnglish own={sentences([kind, step])} english={detail} />;
}

function kindOf({ code, status }: Problem, t: Text): string {
  const id = `problem.${code}`;
  return t(id in en ? (id as MessageId) : 'problem.unknown', { status: String(status) });
}

function stepOf({ code, retryAfterMs, requestId }: Problem, t: Text): string | null {
  const id = NEXT[code as ProblemCode];
  if (id === undefined || (id === 'next.tell' && requestId === null)) return null;
  const seconds = retryAfterMs !== null && retryAfterMs > MOMENT_MS ? Math.ceil(retryAfterMs / 1_000) : 0;
  return t(id, { seconds, request: requestId ?? '' });
}
