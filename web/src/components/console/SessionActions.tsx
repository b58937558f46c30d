import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { client, type Schema } from '../../api/client';
import { sessionQuery } from '../../api/queries';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { span } from '../../ui/format';
import { Notice } from '../../ui/Notice';
import { ReasonButton } from '../../ui/ReasonButton';
import { ProblemNotice } from '../ProblemNotice';
import { CommitDialog } from '../images/CommitDialog';
import { EndSessionsDialog } from './EndSessionsDialog';
import styles from './console.module.css';

const ACTIONS = ['resume', 'suspend', 'interrupt', 'restart'] as const;
type Action = (typeof ACTIONS)[number];
const EXTEND_MS = 3_600_000;

/** What can be done with a session now, and for what cannot, why. */
export function SessionActions({ session, people }: { session: Schema['SessionView']; people: ReadonlyMap<string, string> }) {
  const t = useText();
  const intl = useIntl();
  const [why, setWhy] = useState<string | null>(null);
  const [isEnding, setEnding] = useState(false);
  const [isCommitting, setCommitting] = useState(false);
  const act = useAct(session.id);
  const may = (action: string) => session.allowed_actions?.includes(action) ?? false;
  const reason = (action: Action | 'end') => (may(action) ? null : t(`session.why.${action}`, { state: t(`session.state.${session.state}`) }));
  const isLive = may('end');
  return (
    <>
      <div className={styles['acts']}>
        {may('files') && <Link to="/w/$session" params={{ session: session.id }} className={styles['linkButton'] ?? ''}>{t('session.workspace')}</Link>}
        {ACTIONS.filter((action) => action !== 'resume' || may('resume') || isLive).map((action) => (
          <ReasonButton key={action} reason={reason(action)} isPending={act.isPending && act.variables === action} onRefused={setWhy} onPress={() => { setWhy(null); act.mutate(action); }}>{t(`session.${action}`)}</ReasonButton>
        ))}
        {isLive && <Button isPending={act.isPending && act.variables === 'extend'} onPress={() => { act.mutate('extend'); }}>{t('session.extend', { time: span(intl, EXTEND_MS) })}</Button>}
        <ReasonButton reason={may('files') ? null : t('commit.why', { state: t(`session.state.${session.state}`) })} onRefused={setWhy} onPress={() => { setWhy(null); setCommitting(true); }}>{t('commit.open')}</ReasonButton>
        <ReasonButton look="danger" reason={reason('end')} onRefused={setWhy} onPress={() => { setEnding(true); }}>{t('session.end')}</ReasonButton>
      </div>
      {why && <Notice>{why}</Notice>}
      <ProblemNotice error={act.error} />
      {isCommitting && <CommitDialog session={session} onClose={() => { setCommitting(false); }} />}
      {isEnding && <EndSessionsDialog sessions={[session]} people={people} onClose={() => { setEnding(false); }} onEnded={() => { setEnding(false); }} />}
    </>
  );
}

function useAct(id: string) {
  const queries = useQueryClient();
  const params = { path: { id } };
  const acts: Record<Action | 'extend', () => Promise<unknown>> = {
    resume: () => client.POST('/api/v1/sessions/{id}/resume', { params }),
    suspend: () => client.POST('/api/v1/sessions/{id}/suspend', { params, body: { when: 'now' } }),
    interrupt: () => client.POST('/api/v1/sessions/{id}/interrupt', { params }),
    restart: () => client.POST('/api/v1/sessions/{id}/restart', { params }),
    extend: () => client.POST('/api/v1/sessions/{id}/extend', { params, body: { by_ms: EXTEND_MS } }),
  };
  return useMutation({ mutationFn: (action: Action | 'extend') => acts[action](), onSettled: () => queries.invalidateQueries({ queryKey: sessionQuery(id).queryKey }) });
}
