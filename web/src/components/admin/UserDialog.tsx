import { useQuery } from '@tanstack/react-query';
import { policiesQuery } from '../../api/admin-queries';
import { client, type Schema } from '../../api/client';
import { signinQuery } from '../../api/queries';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';
import { isSystemAdministrator, roleOf, ROLES } from '../roles';

/** Changes what is known of a user. */
export function UserDialog({ user, onClose }: { user: Schema['UserView']; onClose: () => void }) {
  const t = useText();
  const { data: policies } = useQuery(policiesQuery);
  const { data: signin } = useQuery(signinQuery);
  const change = useAct((given: Schema['UserChange']) => client.PATCH('/api/v1/users/{id}', { params: { path: { id: user.id } }, body: given }), ['users'], onClose);
  const roles = ROLES.filter((role) => role !== 'system-administrator' || isSystemAdministrator(signin?.role ?? ''));
  const submit = (given: FormData) => {
    const [name, role] = [typed(given, 'name'), typed(given, 'role')];
    const asked: Schema['UserChange'] = { email: typed(given, 'email') ?? '', policy: typed(given, 'policy') ?? '' };
    if (name && name !== user.name) asked.name = name;
    if (role && role !== user.role) asked.role = role;
    change.mutate(asked);
  };
  if (!policies) return null;
  return (
    <FormDialog title={user.name} submit={t('admin.save')} act={change} onSubmit={submit} onClose={onClose}>
      <TextField label={t('people.name')} name="name" defaultValue={user.name} isRequired autoComplete="off" />
      <TextField label={t('people.email')} name="email" type="email" defaultValue={user.email ?? ''} autoComplete="off" />
      <div className={styles['pair']}>
        <SelectField label={t('people.role')} name="role" defaultValue={user.role} options={(roles.includes(roleOf(user.role)) ? roles : ROLES).map((role) => ({ value: role, label: t(`people.role.${role}`) }))} />
        <SelectField label={t('people.policy')} name="policy" defaultValue={user.policy ?? ''} options={[{ value: '', label: t('admin.none') }, ...policies.map(({ name }) => ({ value: name, label: name }))]} />
      </div>
    </FormDialog>
  );
}
