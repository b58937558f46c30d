import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import type { Schema } from '../../api/client';
import { sessionUsageQuery } from '../../api/session-detail';
import { useText } from '../../i18n/console';
import { bytes, money, span } from '../../ui/format';
import { ProblemText } from '../ProblemText';
import { Card } from './Card';
import { Facts } from './Facts';
import styles from './console.module.css';

type Sample = { at: number; cpuUs: number };
const SAMPLES_MAX = 90;

/** What a session has used so far, and how busy it has been since this page was opened. */
export function SessionUsage({ session }: { session: Schema['SessionView'] }) {
  const t = useText();
  const intl = useIntl();
  const isLive = session.state === 'running';
  const { data, error } = useQuery(sessionUsageQuery(session.id, isLive));
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  const cpuUs = data ? data.usage.cpu_user_us + data.usage.cpu_system_us : 0;
  if (data && samples.at(-1)?.at !== data.at) setSamples([...samples, { at: data.at, cpuUs }].slice(-SAMPLES_MAX));
  const usage = data?.usage;
  return (
    <Card title={t('session.usage')}>
      {error && <p className={styles['fine']}><ProblemText error={error} /></p>}
      {usage && (
        <Facts
          facts={[
            [t('session.usage.wall'), span(intl, usage.wall_us / 1_000)],
            [t('session.usage.cpu'), span(intl, cpuUs / 1_000)],
            [t('session.usage.memory'), bytes(intl, usage.memory_peak_bytes)],
            [t('session.usage.disk'), t('session.usage.readWritten', { read: bytes(intl, usage.read_bytes), written: bytes(intl, usage.written_bytes) })],
            [t('session.usage.network'), usage.received_bytes || usage.sent_bytes ? t('session.usage.receivedSent', { received: bytes(intl, usage.received_bytes ?? 0), sent: bytes(intl, usage.sent_bytes ?? 0) }) : null],
            [t('session.usage.cost'), typeof session.cost_micro === 'number' && session.cost_micro > 0 ? money(intl, session.cost_micro, null) : null],
          ]}
        />
      )}
      {isLive && samples.length > 2 && <Busy samples={samples} />}
    </Card>
  );
}

/** Processors in use between one look and the next. */
function Busy({ samples }: { samples: readonly Sample[] }) {
  const t = useText();
  const intl = useIntl();
  const rates = samples.slice(1).map(({ at, cpuUs }, index) => {
    const before = samples[index];
    return before ? Math.max(0, (cpuUs - before.cpuUs) / 1_000 / Math.max(1, at - before.at)) : 0;
  });
  const most = Math.max(1, ...rates);
  const x = (index: number) => (index / Math.max(1, rates.length - 1)) * 100;
  const line = rates.map((rate, index) => `${x(index).toFixed(2)},${(29 - (rate / most) * 27).toFixed(2)}`).join(' L');
  const now = intl.formatNumber(rates.at(-1) ?? 0, { maximumFractionDigits: 2 });
  return (
    <figure style={{ margin: 0 }}>
      <svg role="img" aria-label={t('session.usage.busy', { now })} className={styles['spark']} viewBox="0 0 100 30" preserveAspectRatio="none">
        <path d={`M0,30 L${line} L100,30 Z`} />
      </svg>
      <figcaption className={styles['fine']}>{t('session.usage.busy', { now })}</figcaption>
    </figure>
  );
}
