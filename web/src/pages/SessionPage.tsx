import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { useIntl } from 'react-intl';
import type { Schema } from '../api/client';
import { languagesQuery, sessionQuery } from '../api/queries';
import type { ServerEvent } from '../api/server-events';
import { sessionLogsQuery } from '../api/session-detail';
import { Card } from '../components/console/Card';
import { Facts } from '../components/console/Facts';
import { SessionActions } from '../components/console/SessionActions';
import { SessionApps } from '../components/console/SessionApps';
import { SessionRuns } from '../components/console/SessionRuns';
import { SessionTimeline } from '../components/console/SessionTimeline';
import { SessionUsage } from '../components/console/SessionUsage';
import styles from '../components/console/console.module.css';
import { EndingText } from '../components/EndingText';
import { ProblemNotice } from '../components/ProblemNotice';
import { ProblemText } from '../components/ProblemText';
import { SessionBadge } from '../components/SessionBadge';
import { WaitText } from '../components/WaitText';
import { useLiveSessions } from '../hooks/use-live-sessions';
import { usePeople } from '../hooks/use-people';
import { useText } from '../i18n/console';
import { bytes, moment, processors, span } from '../ui/format';
import { Notice } from '../ui/Notice';
import { PageHeading } from '../ui/PageHeading';

type Session = Schema['SessionView'];

export function SessionPage() {
  const t = useText();
  const { session: id } = useParams({ from: '/signed-in/sessions/$session' });
  const { data: session, error } = useQuery(sessionQuery(id));
  const events = useEventsOf(id);
  if (session) return <SessionDetail key={id} session={session} events={events} />;
  return (
    <div className={styles['page']}>
      {error ? <ProblemNotice error={error} /> : <p>{t('app.loading')}</p>}
      <Link to="/sessions">{t('session.back')}</Link>
    </div>
  );
}

function SessionDetail({ session, events }: { session: Session; events: readonly ServerEvent[] }) {
  const t = useText();
  const known = usePeople();
  const people = useMemo(() => new Map(known.map(({ id, name }) => [id, name])), [known]);
  const isLive = session.allowed_actions?.includes('end') ?? false;
  const { data: logs = [], error: logsError } = useQuery(sessionLogsQuery(session.id, isLive));
  return (
    <div className={styles['page']}>
      <p className={styles['fine']}><Link to="/sessions">{t('session.back')}</Link></p>
      <div className={styles['head']}>
        <div className={styles['title']}>
          <PageHeading>{session.name}</PageHeading>
          <SessionBadge state={session.state} />
        </div>
      </div>
      <SessionActions session={session} people={people} />
      {[session.warning, session.throttled].map((text) => text && <Notice key={text} tone="warm"><span lang="en">{text}</span></Notice>)}
      {session.queue && <Waiting queue={session.queue} />}
      {(session.why ?? session.outcome) && !session.queue && <Notice tone={session.state === 'refused' ? 'danger' : 'plain'}><EndingText session={session} /></Notice>}
      <div className={styles['columns']}>
        <Card title={t('session.timeline')}><SessionTimeline session={session} events={events} /></Card>
        <Card title={t('session.about')}><About session={session} people={people} /></Card>
        <SessionUsage session={session} />
        {session.allowed_actions?.includes('files') && <SessionApps id={session.id} />}
      </div>
      <SessionRuns session={session.id} />
      <Card title={t('session.log')}>
        {logsError && <p className={styles['fine']}><ProblemText error={logsError} /></p>}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by the keyboard */}
        {logs.length > 0 ? <pre className={styles['log']} tabIndex={0}>{logs.map(({ data }) => (typeof data === 'string' ? data : '�')).join('')}</pre> : <p className={styles['fine']}>{t('session.log.none')}</p>}
      </Card>
    </div>
  );
}

function Waiting({ queue }: { queue: Schema['QueueView'] }) {
  const t = useText();
  const intl = useIntl();
  return (
    <Card title={t('session.waits')}>
      <p><WaitText queue={queue} /></p>
      <Facts facts={[[t('session.refusedThen'), moment(intl, queue.refused_at)]]} />
    </Card>
  );
}

function About({ session, people }: { session: Session; people: ReadonlyMap<string, string> }) {
  const t = useText();
  const intl = useIntl();
  const { data: languages = [] } = useQuery(languagesQuery);
  const { resources, network } = session;
  const tags = Object.entries(session.tags).map(([key, value]) => `${key}=${value}`).join(', ');
  return (
    <Facts
      facts={[
        [t('sessions.owner'), <Link key="owner" to="/sessions" search={{ owner: session.owner }}>{people.get(session.owner) ?? session.owner}</Link>],
        [t('home.col.language'), languages.find(({ id }) => id === session.language)?.name ?? session.language],
        [t('sessions.image'), <Link key="image" to="/sessions" search={{ image: session.image }}>{session.image}</Link>],
        [t('session.kind'), t(`session.kind.${session.kind}`)],
        [t('session.command'), session.startup_command && <code>{session.startup_command}</code>],
        [t('session.cpu'), resources.cpu ? processors(intl, resources.cpu * 1_000) : null],
        [t('session.memory'), resources.memory_bytes ? bytes(intl, resources.memory_bytes) : null],
        [t('session.disk'), resources.disk_bytes ? bytes(intl, resources.disk_bytes) : null],
        [t('session.network'), typeof network === 'string' ? t(`session.network.${network}`) : network.allow.join(', ')],
        [t('session.lifetime'), span(intl, session.timeout_ms)],
        [t('session.idle'), span(intl, session.idle_timeout_ms)],
        [t('session.group'), session.resource_group],
        [t('session.priority'), String(session.priority)],
        [t('session.folders'), session.mounts?.map(({ name, at }) => `${name} → ${at}`).join(', ')],
        [t('session.tags'), tags],
        ['Id', <code key="id">{session.id}</code>],
      ]}
    />
  );
}

/** What is seen to happen to a session while the page is open. */
function useEventsOf(id: string): readonly ServerEvent[] {
  const [events, setEvents] = useState<readonly ServerEvent[]>([]);
  const onEvent = useCallback((event: ServerEvent) => {
    if ('session' in event && event.session === id) setEvents((events) => [...events, event].slice(-EVENTS_MAX));
  }, [id]);
  useLiveSessions(onEvent);
  return events;
}

const EVENTS_MAX = 100;
