import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useIntl, type IntlShape } from 'react-intl';
import type { Schema } from '../api/client';
import { Problem } from '../api/problem';
import { useText, type MessageId } from '../i18n/text';
import { limitName, limitText } from './limits';
import { ProblemText } from './ProblemText';
import { Notice, type Tone } from '../ui/Notice';

const HOLDERS: Readonly<Record<string, MessageId>> = { user: 'holder.user', key: 'holder.key', project: 'holder.project', organization: 'holder.organization' };

type Props = { error: Error | null; tone?: Tone; action?: ReactNode };

/** Why something failed; where limits refused it, each of them, and what can be done. */
export function ProblemNotice({ error, tone = 'danger', action }: Props) {
  const t = useText();
  const intl = useIntl();
  if (!error) return null;
  const refusals = error instanceof Problem ? error.refusals : [];
  if (refusals.length === 0) return <Notice tone={tone} action={action}><ProblemText error={error} /></Notice>;
  const who = [...new Set(refusals.map(({ changed_by }) => changed_by))].join(', ');
  return (
    <Notice tone="danger" action={<Link to="/sessions">{t('refusal.sessions')}</Link>}>
      <ul>{refusals.map((refusal) => <li key={`${refusal.policy} ${refusal.limit}`}>{explained(refusal, t, intl)}</li>)}</ul>
      <p>{t('refusal.who', { who })}</p>
    </Notice>
  );
}

function explained({ policy, holder, limit, max, used, asked }: Schema['Refusal'], t: ReturnType<typeof useText>, intl: IntlShape): string {
  const values = { policy, holder: HOLDERS[holder] ? t(HOLDERS[holder]) : holder, limit: limitName(limit, t) };
  if (typeof max !== 'number') return t('refusal.list', values);
  return t('refusal.text', { ...values, max: limitText(limit, max, intl), used: limitText(limit, used, intl), asked: limitText(limit, asked, intl) });
}
