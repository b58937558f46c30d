import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { policiesQuery } from '../../api/admin-queries';
import { client, type Schema } from '../../api/client';
import { signinQuery, usersQuery } from '../../api/queries';
import { PolicyDialog } from '../../components/admin/PolicyDialog';
import { Card } from '../../components/console/Card';
import { Facts } from '../../components/console/Facts';
import { FormDialog } from '../../components/console/FormDialog';
import styles from '../../components/console/console.module.css';
import { limitName, limitText } from '../../components/limits';
import { ProblemNotice } from '../../components/ProblemNotice';
import { isSystemAdministrator } from '../../components/roles';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { PageHeading } from '../../ui/PageHeading';

type Policy = Schema['PolicyView'];

export function PoliciesPage() {
  const t = useText();
  const policies = useQuery(policiesQuery);
  const { data: signin } = useQuery(signinQuery);
  const [setting, setSetting] = useState<{ policy: Policy | null } | null>(null);
  const [removing, setRemoving] = useState<Policy | null>(null);
  const mayChange = isSystemAdministrator(signin?.role ?? '');
  return (
    <div className={styles['page']}>
      <div className={styles['head']}>
        <PageHeading>{t('admin.policies')}</PageHeading>
        {mayChange && <Button look="primary" icon="add" onPress={() => { setSetting({ policy: null }); }}>{t('policies.new')}</Button>}
      </div>
      <p className={styles['lead']}>{t('policies.text')}</p>
      <ProblemNotice error={policies.error} />
      {policies.data?.length === 0 && <p className={styles['empty']}>{t('policies.none')}</p>}
      <div className={styles['columns']}>
        {policies.data?.map((policy) => (
          <PolicyCard key={policy.name} policy={policy} {...(mayChange ? { onSet: () => { setSetting({ policy }); }, onRemove: () => { setRemoving(policy); } } : {})} />
        ))}
      </div>
      {setting && <PolicyDialog policy={setting.policy} onClose={() => { setSetting(null); }} />}
      {removing && <RemoveDialog policy={removing} onClose={() => { setRemoving(null); }} />}
    </div>
  );
}

function PolicyCard({ policy, onSet, onRemove }: { policy: Policy; onSet?: () => void; onRemove?: () => void }) {
  const t = useText();
  const intl = useIntl();
  const { data: users = [] } = useQuery(usersQuery);
  const limits = Object.entries(policy.limits).flatMap(([limit, value]): [string, string][] => {
    if (typeof value === 'number') return [[limitName(limit, t), limitText(limit, value, intl)]];
    return Array.isArray(value) ? [[limitName(limit, t), value.join(', ') || t('admin.none')]] : [];
  });
  const holders = users.filter((user) => user.policy === policy.name && !user.archived_at).length;
  return (
    <Card title={policy.name}>
      {limits.length > 0 ? <Facts facts={limits} /> : <p className={styles['fine']}>{t('policies.noLimits')}</p>}
      <p className={styles['fine']}>{t('policies.holders', { users: holders })}</p>
      {onSet && onRemove && (
        <div className={styles['acts']}>
          <Button small icon="pencil" onPress={onSet}>{t('policies.set', { name: policy.name })}</Button>
          <Button small look="danger" onPress={onRemove}>{t('admin.remove')}</Button>
        </div>
      )}
    </Card>
  );
}

function RemoveDialog({ policy, onClose }: { policy: Policy; onClose: () => void }) {
  const t = useText();
  const remove = useAct(() => client.DELETE('/api/v1/policies/{name}', { params: { path: { name: policy.name } } }), ['policies'], onClose);
  return (
    <FormDialog title={t('policies.remove.title', { name: policy.name })} submit={t('admin.remove')} look="danger" act={remove} onSubmit={() => { remove.mutate(); }} onClose={onClose}>
      <p>{t('policies.remove.text')}</p>
    </FormDialog>
  );
}
