import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { processesQuery, serviceQuery, versionQuery } from '../../api/admin-queries';
import { client, type Schema } from '../../api/client';
import { usersQuery } from '../../api/queries';
import { Ago } from '../../components/Ago';
import { Card } from '../../components/console/Card';
import { Table } from '../../ui/Table';
import { FormDialog, typed } from '../../components/console/FormDialog';
import styles from '../../components/console/console.module.css';
import { ProblemNotice } from '../../components/ProblemNotice';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { moment } from '../../ui/format';
import { TextField } from '../../ui/TextField';
import { PageHeading } from '../../ui/PageHeading';

const STATES = { running: 'health.run', frozen: 'health.freeze', draining: 'health.drain' } as const;

/** Whether the service takes work, and how what it does by itself fares. */
export function HealthPage() {
  const t = useText();
  const processes = useQuery(processesQuery);
  const { data: version } = useQuery(versionQuery);
  return (
    <div className={styles['page']}>
      <div className={styles['head']}>
        <PageHeading>{t('admin.health')}</PageHeading>
        {version && <span className={styles['fine']}>{`${t('health.version')} ${version.version}`}</span>}
      </div>
      <Service />
      <ProblemNotice error={processes.error} />
      {processes.data?.map((process) => <Process key={process.id} process={process} />)}
    </div>
  );
}

function Service() {
  const t = useText();
  const intl = useIntl();
  const { data: service, error } = useQuery(serviceQuery);
  const { data: users = [] } = useQuery(usersQuery);
  const [wanted, setWanted] = useState<Schema['ServiceState'] | null>(null);
  const change = useAct((asked: Schema['ServiceStateChange']) => client.PUT('/api/v1/service/state', { body: asked }), ['service'], () => { setWanted(null); });
  if (!service) return <ProblemNotice error={error} />;
  const who = users.find(({ id }) => id === service.changed_by)?.name ?? service.changed_by ?? '';
  return (
    <Card title={t('health.service')} acts={<Badge tone={service.state === 'running' ? 'good' : 'busy'}>{t(`health.service.${service.state}`)}</Badge>}>
      {service.reason && <p>{service.reason}</p>}
      {service.changed_at && <p className={styles['fine']}>{t('health.since', { when: moment(intl, service.changed_at), who })}</p>}
      <div className={styles['acts']}>
        {(['running', 'frozen', 'draining'] as const).filter((state) => state !== service.state).map((state) => <Button key={state} onPress={() => { setWanted(state); }}>{t(STATES[state])}</Button>)}
      </div>
      {wanted && (
        <FormDialog title={t('health.state.title')} submit={t(STATES[wanted])} look={wanted === 'running' ? 'primary' : 'danger'} act={change} onClose={() => { setWanted(null); }} onSubmit={(given) => { change.mutate({ state: wanted, reason: typed(given, 'reason') ?? '' }); }}>
          <p>{t(`health.service.${wanted}`)}</p>
          <TextField label={t('health.reason')} name="reason" autoComplete="off" />
        </FormDialog>
      )}
    </Card>
  );
}

function Process({ process }: { process: Schema['ProcessView'] }) {
  const t = useText();
  const run = useAct((name: string) => client.POST('/api/v1/tasks/{name}/run', { params: { path: { name }, query: { process: process.id } } }), ['processes']);
  return (
    <Card title={t('health.process', { id: process.address ?? process.id })}>
      {process.unknown && <p>{process.unknown}</p>}
      <ProblemNotice error={run.error} />
      <Table<Schema['TaskView']>
        label={t('health.process', { id: process.id })}
        rows={process.tasks}
        rowKey={({ name }) => name}
        columns={[
          { id: 'name', title: t('health.task'), cell: ({ name }) => name },
          { id: 'result', title: t('health.task.result'), cell: (task) => <Result task={task} /> },
          { id: 'last', title: t('health.task.last'), kind: 'wide', cell: ({ last }) => last && <span title={last.note}><Ago time={last.at} /></span> },
          { id: 'next', title: t('health.task.next'), kind: 'wide', cell: ({ next_at }) => next_at && <Ago time={next_at} /> },
          { id: 'acts', title: '', kind: 'number', cell: ({ name }) => <Button small isPending={run.isPending && run.variables === name} onPress={() => { run.mutate(name); }}>{t('health.task.now')}</Button> },
        ]}
      />
    </Card>
  );
}

function Result({ task: { last, failures_in_a_row: count } }: { task: Schema['TaskView'] }) {
  const t = useText();
  if (!last) return t('health.never');
  return (
    <>
      <Badge tone={last.result === 'done' ? 'good' : 'bad'}>{t(`health.result.${last.result}`)}</Badge>
      {count > 0 && <span className={styles['fine']}> {t('health.task.failures', { count })}</span>}
      {/* A phone has no column for it. */}
      <div className={[styles['fine'], styles['narrow']].join(' ')}><Ago time={last.at} /></div>
    </>
  );
}
