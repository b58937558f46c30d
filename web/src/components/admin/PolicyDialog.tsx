import { client, type Schema } from '../../api/client';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { TextField } from '../../ui/TextField';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';
import { LIMITS, limitName, limitUnit } from '../limits';

type Limits = Schema['PolicyLimits'];

/** Sets what a policy allows; limits that the form does not have stay as they are. */
export function PolicyDialog({ policy, onClose }: { policy: Schema['PolicyView'] | null; onClose: () => void }) {
  const t = useText();
  const set = useAct(({ name, limits }: { name: string; limits: Limits }) => client.PUT('/api/v1/policies/{name}', { params: { path: { name } }, body: limits }), ['policies'], onClose);
  const submit = (given: FormData) => {
    const limits: Limits = { ...policy?.limits };
    for (const limit of LIMITS) {
      const value = typed(given, limit);
      if (value === undefined) limits[limit] = null;
      else limits[limit] = Math.round(Number(value) * limitUnit(limit).size);
    }
    set.mutate({ name: policy?.name ?? typed(given, 'policy') ?? '', limits });
  };
  return (
    <FormDialog wide title={policy ? t('policies.set', { name: policy.name }) : t('policies.new')} submit={t('admin.save')} act={set} onSubmit={submit} onClose={onClose}>
      <p className={styles['fine']}>{t('policies.text')}</p>
      {!policy && <TextField label={t('people.name')} name="policy" isRequired autoComplete="off" />}
      <div className={styles['pair']}>
        {LIMITS.map((limit) => {
          const { unit, size } = limitUnit(limit);
          const value = policy?.limits[limit];
          const label = unit ? t('policies.unit', { name: limitName(limit, t), unit: t(unit) }) : limitName(limit, t);
          return <TextField key={limit} label={label} name={limit} type="number" inputMode="decimal" defaultValue={typeof value === 'number' ? String(value / size) : ''} input={{ step: 'any', min: '0' }} />;
        })}
      </div>
    </FormDialog>
  );
}
