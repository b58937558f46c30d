import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Button as AriaButton } from 'react-aria-components';
import { useIntl } from 'react-intl';
import type { Schema } from '../../api/client';
import { body, client } from '../../api/client';
import { sessionUsageQuery } from '../../api/session-detail';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/text';
import { bytes, money, span } from '../../ui/format';
import { between, type Sample } from '../../workspace/meter';
import { useWorkspace } from '../../workspace/workspace';
import { ProblemNotice } from '../ProblemNotice';
import styles from './UsageMeter.module.css';

const MINUTE_MS = 60_000;
const EXTEND_MS = 3_600_000;
/** Less than this before its end, it is said loudly. */
const SOON_MS = 15 * 60_000;

/** What the workspace uses now, what it has cost, and how long it stays. */
export function UsageMeter() {
  const t = useText();
  const intl = useIntl();
  const { session } = useWorkspace();
  const { data } = useQuery(sessionUsageQuery(session.id, session.state === 'running'));
  const [samples, setSamples] = useState<readonly [Sample | null, Sample | null]>([null, null]);
  if (data && data.at !== samples[1]?.at) setSamples([samples[1], { at: data.at, ...data.usage }]);
  const now = between(samples[0], samples[1]);
  const memoryMax = session.resources.memory_bytes;
  return (
    <div className={styles['meter']} role="group" aria-label={t('meter.title')}>
      {now && <Gauge label={t('meter.cpu')} share={now.processors / (session.resources.cpu ?? 1)} text={intl.formatNumber(now.processors, { style: 'percent' })} />}
      {now && (
        <Gauge label={t('meter.memory')} share={memoryMax ? now.memoryBytes / memoryMax : 0} text={memoryMax ? t('meter.of', { used: bytes(intl, now.memoryBytes), max: bytes(intl, memoryMax) }) : bytes(intl, now.memoryBytes)} />
      )}
      {typeof session.cost_micro === 'number' && session.cost_micro > 0 && <span>{t('meter.cost', { cost: money(intl, session.cost_micro, null) })}</span>}
      {session.ends_at && <Ending session={session} endsAt={session.ends_at} />}
    </div>
  );
}

/** A bar as long as what is used of what there is. */
function Gauge({ label, share, text }: { label: string; share: number; text: string }) {
  const used = Math.min(1, Math.max(0, share));
  return (
    <span className={styles['gauge']}>
      <span className={styles['label']}>{label}</span>
      <svg aria-hidden="true" className={used > 0.9 ? styles['full'] : styles['bar']} viewBox="0 0 40 6" width={40} height={6}>
        <rect width={40} height={6} rx={3} className={styles['rail']} />
        <rect width={40 * used} height={6} rx={3} fill="currentColor" />
      </svg>
      <span>{text}</span>
    </span>
  );
}

function Ending({ session, endsAt }: { session: Schema['SessionView']; endsAt: string }) {
  const t = useText();
  const intl = useIntl();
  const extend = useAct(() => body(client.POST('/api/v1/sessions/{id}/extend', { params: { path: { id: session.id } }, body: { by_ms: EXTEND_MS } })), ['session']);
  // Read again with the session, every few seconds.
  const exact = Math.max(0, Date.parse(endsAt) - Date.now());
  // Nobody needs the tenth of a minute.
  const left = exact < MINUTE_MS ? exact : Math.round(exact / MINUTE_MS) * MINUTE_MS;
  const byLife = session.ends_because === 'lifetime';
  return (
    <>
      <span className={left < SOON_MS && byLife ? styles['soon'] : undefined}>{t(byLife ? 'meter.ends' : 'meter.idle', { span: span(intl, left) })}</span>
      {byLife && <AriaButton className={styles['extend'] ?? ''} isPending={extend.isPending} onPress={() => { extend.mutate(); }}>{t('meter.extend')}</AriaButton>}
      {extend.error && <ProblemNotice error={extend.error} />}
    </>
  );
}
