import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { groupsQuery, queueQuery } from '../../api/admin-queries';
import type { Schema } from '../../api/client';
import { usersQuery } from '../../api/queries';
import { Table } from '../../ui/Table';
import styles from '../../components/console/console.module.css';
import { ProblemNotice } from '../../components/ProblemNotice';
import { WaitText } from '../../components/WaitText';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { moment } from '../../ui/format';
import { PageHeading } from '../../ui/PageHeading';

/** Who waits in each resource group, and for what. */
export function QueuePage() {
  const t = useText();
  const groups = useQuery(groupsQuery);
  const [group, setGroup] = useState('default');
  return (
    <div className={styles['page']}>
      <PageHeading>{t('admin.queue')}</PageHeading>
      <p className={styles['lead']}>{t('queue.text')}</p>
      <ProblemNotice error={groups.error} />
      {groups.data && (
        <Table<Schema['ResourceGroupView']>
          label={t('queue.groups')}
          rows={groups.data}
          rowKey={({ name }) => name}
          columns={[
            { id: 'name', title: t('session.group'), cell: ({ name }) => <Button small look="soft" aria-pressed={name === group} onPress={() => { setGroup(name); }}>{name}</Button> },
            { id: 'waiting', title: t('queue.waiting'), kind: 'number', cell: ({ waiting }) => waiting },
            { id: 'nodes', title: t('queue.open'), kind: 'number', cell: ({ nodes, nodes_open }) => t('nodes.of', { used: String(nodes_open), all: String(nodes) }) },
            { id: 'order', title: t('queue.order'), kind: 'wide', cell: ({ settings }) => t(`queue.order.${settings.order ?? 'fifo'}`) },
            { id: 'placement', title: t('queue.placement'), kind: 'wide', cell: ({ settings }) => t(`queue.placement.${settings.placement ?? 'pack'}`) },
          ]}
        />
      )}
      <Waiting group={group} />
    </div>
  );
}

function Waiting({ group }: { group: string }) {
  const t = useText();
  const intl = useIntl();
  const queue = useQuery(queueQuery(group));
  const { data: users = [] } = useQuery(usersQuery);
  if (queue.error) return <ProblemNotice error={queue.error} />;
  if (!queue.data) return <p className={styles['fine']}>{t('app.loading')}</p>;
  if (queue.data.length === 0) return <p className={styles['empty']}>{t('queue.none')}</p>;
  return (
    <Table<Schema['SessionView']>
      label={t('admin.queue')}
      rows={queue.data}
      rowKey={({ id }) => id}
      columns={[
        { id: 'name', title: t('home.col.name'), cell: ({ id, name }) => <Link to="/sessions/$session" params={{ session: id }}>{name}</Link> },
        { id: 'place', title: t('queue.place'), kind: 'number', cell: ({ queue }) => queue?.position },
        { id: 'why', title: t('queue.why'), cell: ({ queue }) => queue && <WaitText queue={queue} place="left-out" /> },
        { id: 'owner', title: t('sessions.owner'), kind: 'wide', cell: ({ owner }) => users.find(({ id }) => id === owner)?.name ?? owner },
        { id: 'refused', title: t('queue.refused'), kind: 'wide', cell: ({ queue }) => queue && moment(intl, queue.refused_at) },
      ]}
    />
  );
}
