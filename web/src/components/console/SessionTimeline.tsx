import type { ReactNode } from 'react';
import { useIntl } from 'react-intl';
import type { Schema } from '../../api/client';
import type { ServerEvent } from '../../api/server-events';
import { useText } from '../../i18n/console';
import { moment, span } from '../../ui/format';
import { Ago } from '../Ago';
import { EndingText } from '../EndingText';
import { WaitText } from '../WaitText';
import styles from './Timeline.module.css';

type Point = { id: string; at: string; label: string; why?: ReactNode; isAhead?: boolean };

/** What has become of a session, from what it says of itself and what was seen to happen, and what is to come. */
export function SessionTimeline({ session, events }: { session: Schema['SessionView']; events: readonly ServerEvent[] }) {
  const t = useText();
  const intl = useIntl();
  const points = usePoints(session, events);
  const waited = session.started_at ? Date.parse(session.started_at) - Date.parse(session.created_at) : null;
  return (
    <>
      <ol className={styles['timeline']}>
        {points.map(({ id, at, label, why, isAhead }) => (
          <li key={id} className={[styles['point'], isAhead ? styles['ahead'] : ''].join(' ')}>
            <span>{label}</span>
            <time dateTime={at} className={styles['when']}>{isAhead ? <Ago time={at} /> : moment(intl, at)}</time>
            {why && <span className={styles['why']}>{why}</span>}
          </li>
        ))}
      </ol>
      {waited !== null && <p className={styles['when']}>{t('session.waited', { time: span(intl, waited) })}</p>}
    </>
  );
}

function usePoints(session: Schema['SessionView'], events: readonly ServerEvent[]): Point[] {
  const t = useText();
  const points: Point[] = [{ id: 'created', at: session.created_at, label: t('session.state.requested') }];
  if (session.started_at) points.push({ id: 'started', at: session.started_at, label: t('session.state.running') });
  if (session.suspended_at) points.push({ id: 'suspended', at: session.suspended_at, label: t('session.state.suspended') });
  if (session.ended_at) points.push({ id: 'ended', at: session.ended_at, label: t(`session.state.${session.state}`), why: <EndingText session={session} /> });
  const seen = events.flatMap((event): Point[] => {
    const id = `event-${String(event.seq)}`;
    if (event.kind === 'session-changed') return [{ id, at: event.at, label: t(`session.state.${event.state}`), why: english(event.why) }];
    if (event.kind === 'run-started') return [{ id, at: event.at, label: t('session.run.started') }];
    if (event.kind === 'run-finished') return [{ id, at: event.at, label: t('session.run.finished', { verdict: t(`verdict.${event.verdict}`) }) }];
    return [];
  });
  // What an event told and the session tells too is said once.
  const known = new Set(points.map(({ label }) => label));
  const all = [...points, ...seen.filter(({ label }) => !known.has(label))].sort((one, other) => one.at.localeCompare(other.at));
  if (session.queue && !session.ended_at) all.push({ id: 'refused', at: session.queue.refused_at, label: t('session.refusedThen'), why: <WaitText queue={session.queue} />, isAhead: true });
  if (session.ends_at && !session.ended_at) all.push({ id: 'ends', at: session.ends_at, label: t('session.endsThen'), why: session.ends_because ? t(endsBecause(session.ends_because)) : null, isAhead: true });
  return all;
}

function english(why: string | null | undefined): ReactNode {
  return why && <span lang="en">{why}</span>;
}

function endsBecause(reason: string) {
  const known = { lifetime: 'session.ends.lifetime', 'no-traffic': 'session.ends.no-traffic', utilization: 'session.ends.utilization' } as const;
  return Object.entries(known).find(([name]) => name === reason)?.[1] ?? 'session.ends.lifetime';
}
