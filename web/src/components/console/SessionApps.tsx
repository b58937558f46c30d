import { useQuery } from '@tanstack/react-query';
import type { Schema } from '../../api/client';
import { sessionAppsQuery } from '../../api/session-detail';
import { useText } from '../../i18n/console';
import { ProblemText } from '../ProblemText';
import { Card } from './Card';
import { Table } from '../../ui/Table';
import styles from './console.module.css';

/** Apps that were opened in a session, for whoever may act inside it. */
export function SessionApps({ id }: { id: string }) {
  const t = useText();
  const { data, error } = useQuery(sessionAppsQuery(id));
  return (
    <Card title={t('session.apps')}>
      {error && <p className={styles['fine']}><ProblemText error={error} /></p>}
      {data?.length === 0 && <p className={styles['fine']}>{t('session.apps.none')}</p>}
      {data && data.length > 0 && (
        <Table<Schema['AppView']>
          label={t('session.apps')}
          rows={data}
          rowKey={({ id }) => id}
          columns={[
            { id: 'name', title: t('home.col.name'), cell: ({ name, url }) => (url ? <a href={url} target="_blank" rel="noreferrer">{name}</a> : name) },
            { id: 'port', title: t('session.apps.port'), kind: 'number', cell: ({ port, protocol }) => `${String(port)}/${protocol}` },
            { id: 'state', title: t('home.col.state'), cell: ({ state, no_url }) => (no_url ? <span lang="en">{no_url}</span> : t(`session.app.${state}`)) },
          ]}
        />
      )}
    </Card>
  );
}
