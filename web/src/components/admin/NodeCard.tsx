import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { client, type Schema } from '../../api/client';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Badge } from '../../ui/Badge';
import { bytes, processors } from '../../ui/format';
import { Notice } from '../../ui/Notice';
import { ReasonButton } from '../../ui/ReasonButton';
import { Button } from '../../ui/Button';
import { Card } from '../console/Card';
import { Facts } from '../console/Facts';
import { FormDialog } from '../console/FormDialog';
import styles from '../console/console.module.css';
import { Ago } from '../Ago';
import { ProblemNotice } from '../ProblemNotice';
import { CapacityBar, type Piece } from './CapacityBar';

type Node = Schema['NodeView'];

/** A machine: what it has, what of it is asked for, and whether it takes more. */
export function NodeCard({ node, sessions }: { node: Node; sessions: readonly Schema['SessionView'][] }) {
  const t = useText();
  const intl = useIntl();
  const pieces = (amount: (session: Schema['SessionView']) => number): Piece[] => sessions.map((session) => ({ id: session.id, name: session.name, amount: amount(session) }));
  return (
    <Card title={node.name} acts={<span className={styles['acts']}><Badge tone={node.presence === 'here' ? 'good' : 'bad'}>{t(`nodes.presence.${node.presence}`)}</Badge><Badge tone={node.state === 'schedulable' ? 'good' : 'busy'}>{t(`nodes.state.${node.state}`)}</Badge></span>}>
      <CapacityBar label={t('nodes.cpu')} all={node.cpu_millis} pieces={pieces(({ resources }) => (resources.cpu ?? 0) * 1_000)} text={(amount) => processors(intl, amount)} />
      <CapacityBar label={t('nodes.memory')} all={node.memory_bytes} pieces={pieces(({ resources }) => resources.memory_bytes ?? 0)} text={(amount) => bytes(intl, amount)} />
      <Facts
        facts={[
          [t('nodes.sessions'), <Link key="sessions" to="/sessions">{intl.formatNumber(node.sessions)}</Link>],
          [t('session.group'), node.resource_group],
          [t('nodes.devices'), node.devices.map(({ model }) => model).join(', ')],
          [t('nodes.system'), node.system],
          [t('health.version'), node.version],
          [t('nodes.presence.silent'), node.silent_since && <Ago time={node.silent_since} />],
        ]}
      />
      <NodeActs node={node} />
    </Card>
  );
}

function NodeActs({ node }: { node: Node }) {
  const t = useText();
  const [asking, setAsking] = useState<'drain' | 'remove' | null>(null);
  const [why, setWhy] = useState<string | null>(null);
  const close = () => { setAsking(null); };
  const params = { path: { id: node.id } };
  const change = useAct((state: Schema['NodeState']) => client.PATCH('/api/v1/nodes/{id}', { params, body: { state } }), ['nodes', 'resource-groups'], close);
  const remove = useAct(() => client.DELETE('/api/v1/nodes/{id}', { params: { ...params, query: { force: true } } }), ['nodes', 'resource-groups'], close);
  const reason = (state: Schema['NodeState']) => (node.state === state ? t('nodes.why.already') : null);
  const { name, sessions } = node;
  return (
    <>
      <div className={styles['acts']}>
        <ReasonButton reason={reason('schedulable')} onRefused={setWhy} onPress={() => { change.mutate('schedulable'); }}>{t('nodes.open')}</ReasonButton>
        <ReasonButton reason={reason('cordoned')} onRefused={setWhy} onPress={() => { change.mutate('cordoned'); }}>{t('nodes.cordon')}</ReasonButton>
        <ReasonButton reason={reason('draining')} onRefused={setWhy} onPress={() => { setAsking('drain'); }}>{t('nodes.drain')}</ReasonButton>
        <Button look="danger" onPress={() => { setAsking('remove'); }}>{t('admin.remove')}</Button>
      </div>
      {why && <Notice>{why}</Notice>}
      {!asking && <ProblemNotice error={change.error} />}
      {asking === 'drain' && <FormDialog title={t('nodes.drain.title', { name })} submit={t('nodes.drain')} look="danger" act={change} onSubmit={() => { change.mutate('draining'); }} onClose={close}><p>{t('nodes.drain.text', { sessions })}</p></FormDialog>}
      {asking === 'remove' && <FormDialog title={t('nodes.remove.title', { name })} submit={t('admin.remove')} look="danger" act={remove} onSubmit={() => { remove.mutate(); }} onClose={close}><p>{t('nodes.remove.text', { sessions })}</p></FormDialog>}
    </>
  );
}
