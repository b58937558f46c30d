import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useIntl } from 'react-intl';
import type { Schema } from '../../api/client';
import { runListQuery } from '../../api/run-history';
import { runResultsQuery } from '../../api/session-detail';
import { useText } from '../../i18n/console';
import { Badge, type BadgeTone } from '../../ui/Badge';
import { bytes, span } from '../../ui/format';
import { shown } from '../../workspace/names';
import { Ago } from '../Ago';
import { Card } from './Card';
import { Table } from '../../ui/Table';
import styles from './console.module.css';

type Run = Schema['RunView'];

/** The latest runs with what became of them. */
export function SessionRuns({ session }: { session: string }) {
  const t = useText();
  const intl = useIntl();
  const list = useInfiniteQuery(runListQuery(session));
  const runs = list.data?.pages[0]?.items ?? [];
  const titles = new Map(runs.map(({ id, title }) => [id, title]));
  const { data = [] } = useQuery(runResultsQuery(runs.map(({ id }) => id)));
  return (
    <Card title={t('session.runs')}>
      {data.length === 0 ? (
        <p className={styles['fine']}>{t('session.runs.none')}</p>
      ) : (
        <Table<Run>
          label={t('session.runs')}
          rows={data}
          rowKey={({ id }) => id}
          columns={[
            { id: 'what', title: t('session.run.what'), cell: ({ id }) => { const title = titles.get(id); return title ? shown(title) : t('history.untitled'); } },
            { id: 'verdict', title: t('session.run.verdict'), cell: (run) => <RunBadge run={run} /> },
            { id: 'at', title: t('session.run.at'), cell: ({ created_at }) => <Ago time={created_at} /> },
            { id: 'mode', title: t('session.run.mode'), kind: 'wide', cell: ({ mode }) => t(`session.mode.${mode}`) },
            { id: 'wall', title: t('session.run.wall'), kind: 'number', cell: ({ usage }) => (usage ? span(intl, usage.wall_us / 1_000) : '') },
            { id: 'cpu', title: t('session.run.cpu'), kind: 'wide-number', cell: ({ usage }) => (usage ? span(intl, (usage.cpu_user_us + usage.cpu_system_us) / 1_000) : '') },
            { id: 'memory', title: t('session.run.memory'), kind: 'number', cell: ({ usage }) => (usage ? bytes(intl, usage.memory_peak_bytes) : '') },
            { id: 'exit', title: t('session.run.exit'), kind: 'wide-number', cell: ({ exit_code, signal }) => (exit_code ?? (signal ? t('session.run.signal', { signal }) : '')) },
          ]}
        />
      )}
    </Card>
  );
}

function RunBadge({ run }: { run: Run }) {
  const t = useText();
  if (!run.verdict) return <Badge tone="busy">{t('run.running')}</Badge>;
  const tone: BadgeTone = run.verdict === 'ok' ? 'good' : run.verdict === 'cancelled' ? 'still' : 'bad';
  return <Badge tone={tone}>{t(`verdict.${run.verdict}`)}</Badge>;
}
