import { useQuery } from '@tanstack/react-query';
import { membersQuery } from '../../api/admin-queries';
import { client, type Schema } from '../../api/client';
import { usersQuery } from '../../api/queries';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { IconButton } from '../../ui/Button';
import { SelectField } from '../../ui/SelectField';
import { Table } from '../../ui/Table';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';
import { ProblemNotice } from '../ProblemNotice';

const ROLES = ['member', 'project-manager'] as const;

/** Who works in a project, and as what. */
export function MembersDialog({ project, onClose }: { project: { id: string; name: string }; onClose: () => void }) {
  const t = useText();
  const members = useQuery(membersQuery(project.id));
  const { data: users = [] } = useQuery(usersQuery);
  const add = useAct(({ user, role }: { user: string; role: string }) => client.PUT('/api/v1/projects/{id}/members/{user}', { params: { path: { id: project.id, user } }, body: { role } }), ['members', 'users']);
  const remove = useAct((user: string) => client.DELETE('/api/v1/projects/{id}/members/{user}', { params: { path: { id: project.id, user } } }), ['members', 'users']);
  const names = new Map(users.map(({ id, name }) => [id, name]));
  const nameOf = ({ user }: Schema['MembershipView']) => names.get(user) ?? user;
  const roleName = (role: string) => t(`projects.role.${ROLES.find((known) => known === role) ?? 'member'}`);
  return (
    <FormDialog wide title={t('projects.members.of', { name: project.name })} submit={t('projects.members.add')} act={add} onClose={onClose} onSubmit={(given) => { add.mutate({ user: typed(given, 'user') ?? '', role: typed(given, 'role') ?? 'member' }); }}>
      <ProblemNotice error={members.error ?? remove.error} />
      {members.data?.length === 0 && <p className={styles['fine']}>{t('projects.members.none')}</p>}
      {members.data && members.data.length > 0 && (
        <Table<Schema['MembershipView']>
          label={t('projects.members.of', { name: project.name })}
          rows={members.data}
          rowKey={({ user }) => user}
          columns={[
            { id: 'name', title: t('people.name'), cell: nameOf },
            { id: 'role', title: t('people.role'), cell: ({ role }) => roleName(role) },
            { id: 'acts', title: '', kind: 'number', cell: (member) => <IconButton icon="close" label={t('projects.members.remove', { name: nameOf(member) })} onPress={() => { remove.mutate(member.user); }} /> },
          ]}
        />
      )}
      <div className={styles['pair']}>
        <SelectField label={t('projects.members.user')} name="user" options={users.filter(({ archived_at }) => !archived_at).map(({ id, name }) => ({ value: id, label: name }))} />
        <SelectField label={t('projects.members.role')} name="role" options={ROLES.map((role) => ({ value: role, label: roleName(role) }))} />
      </div>
    </FormDialog>
  );
}
