import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { nodesQuery } from '../../api/admin-queries';
import { body, client, type Schema } from '../../api/client';
import { sessionListQuery } from '../../api/session-list';
import { NodeCard } from '../../components/admin/NodeCard';
import { OnceDialog } from '../../components/console/OnceDialog';
import styles from '../../components/console/console.module.css';
import { ProblemNotice } from '../../components/ProblemNotice';
import { useAct } from '../../hooks/use-act';
import { useLiveSessions } from '../../hooks/use-live-sessions';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { moment } from '../../ui/format';
import { PageHeading } from '../../ui/PageHeading';

/** The machines and what of them is asked for. */
export function NodesPage() {
  const t = useText();
  const intl = useIntl();
  const nodes = useQuery(nodesQuery);
  const { data } = useInfiniteQuery(sessionListQuery({}));
  useLiveSessions();
  const [made, setMade] = useState<Schema['NodeTokenMade'] | null>(null);
  const join = useAct(() => body(client.POST('/api/v1/node-tokens', { body: {} })), [], setMade);
  const sessions = data?.pages.flatMap(({ items }) => items) ?? [];
  return (
    <div className={styles['page']}>
      <div className={styles['head']}>
        <PageHeading>{t('admin.nodes')}</PageHeading>
        <Button icon="add" isPending={join.isPending} onPress={() => { join.mutate(); }}>{t('nodes.join')}</Button>
      </div>
      <p className={styles['lead']}>{t('nodes.text')}</p>
      <ProblemNotice error={nodes.error ?? join.error} />
      {nodes.data?.length === 0 && <p className={styles['empty']}>{t('nodes.none')}</p>}
      <div className={styles['columns']}>
        {nodes.data?.map((node) => <NodeCard key={node.id} node={node} sessions={sessions.filter((session) => session.node === node.id || session.node === node.name)} />)}
      </div>
      {made && <OnceDialog title={t('nodes.join')} text={t('nodes.join.text', { uses: made.uses_left, until: moment(intl, made.expires_at) })} secret={made.join ?? made.secret} onClose={() => { setMade(null); }} />}
    </div>
  );
}
