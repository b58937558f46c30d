import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import type { Schema } from '../api/client';
import { sessionListQuery, type SessionSearch } from '../api/session-list';
import { Ago } from '../components/Ago';
import styles from '../components/console/console.module.css';
import { NewJobDialog } from '../components/plan/NewJobDialog';
import { PlanTabs } from '../components/plan/PlanTabs';
import { ProblemNotice } from '../components/ProblemNotice';
import { ServerTip } from '../components/ServerTip';
import { SessionBadge } from '../components/SessionBadge';
import { useLiveSessions } from '../hooks/use-live-sessions';
import { usePeople } from '../hooks/use-people';
import { useText } from '../i18n/console';
import { Badge, type BadgeTone } from '../ui/Badge';
import { Button } from '../ui/Button';
import { span } from '../ui/format';
import look from '../ui/look.module.css';
import { Table } from '../ui/Table';
import { PageHeading } from '../ui/PageHeading';

type Session = Schema['SessionView'];

const SEARCH: SessionSearch = { show: 'all', kind: 'batch' };

/** Batch sessions: what was asked for, and what became of it. */
export function JobsPage() {
  const t = useText();
  const intl = useIntl();
  const navigate = useNavigate();
  const jobs = useInfiniteQuery({ ...sessionListQuery(SEARCH), refetchOnMount: 'always' });
  const users = usePeople();
  const [isMaking, setMaking] = useState(false);
  useLiveSessions();
  const items = jobs.data?.pages.flatMap(({ items }) => items) ?? [];
  const nameOf = (owner: string) => users.find(({ id }) => id === owner)?.name ?? owner;
  const took = ({ started_at, ended_at }: Session) => (started_at && ended_at ? span(intl, Date.parse(ended_at) - Date.parse(started_at)) : '');
  return (
    <>
      <PlanTabs />
      <div className={styles['page']}>
        <div className={styles['head']}>
          <PageHeading>{t('jobs.title')}</PageHeading>
          <Button look="primary" icon="add" onPress={() => { setMaking(true); }}>{t('jobs.new')}</Button>
        </div>
        <p className={styles['lead']}>{t('jobs.lead')}</p>
        <ProblemNotice error={jobs.error} />
        {jobs.isPending && <p className={styles['fine']}>{t('app.loading')}</p>}
        {jobs.data && items.length === 0 && <p className={styles['empty']}>{t('jobs.none')}</p>}
        {items.length > 0 && (
          <Table<Session>
            label={t('jobs.title')}
            rows={items}
            rowKey={({ id }) => id}
            columns={[
              { id: 'name', title: t('home.col.name'), cell: ({ id, name }) => <Link to="/sessions/$session" params={{ session: id }} className={look['name'] ?? ''}>{name}</Link> },
              { id: 'result', title: t('jobs.result'), cell: (session) => <Outcome session={session} /> },
              { id: 'command', title: t('jobs.command'), kind: 'wide', cell: ({ startup_command }) => <code>{startup_command}</code> },
              ...(users.length > 1 ? [{ id: 'owner', title: t('sessions.owner'), kind: 'wide' as const, cell: ({ owner }: Session) => nameOf(owner) }] : []),
              { id: 'created', title: t('home.col.created'), cell: ({ created_at }) => <Ago time={created_at} /> },
              { id: 'took', title: t('jobs.took'), kind: 'wide-number', cell: took },
            ]}
          />
        )}
        {jobs.hasNextPage && <div><Button isPending={jobs.isFetchingNextPage} onPress={() => void jobs.fetchNextPage()}>{t('jobs.more')}</Button></div>}
        {isMaking && <NewJobDialog onClose={() => { setMaking(false); }} onMade={(id) => void navigate({ to: '/sessions/$session', params: { session: id } })} />}
      </div>
    </>
  );
}

const TONES: Readonly<Record<string, BadgeTone>> = { completed: 'good', failed: 'bad', terminated: 'still', 'timed-out': 'bad' };
const OUTCOMES = ['completed', 'failed', 'terminated', 'timed-out'] as const;

function Outcome({ session: { outcome, state, why } }: { session: Session }) {
  const t = useText();
  const known = OUTCOMES.find((known) => known === outcome);
  return <ServerTip tip={why}>{known ? <Badge tone={TONES[known] ?? 'still'}>{t(`jobs.outcome.${known}`)}</Badge> : <SessionBadge state={state} />}</ServerTip>;
}
