import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { organizationsQuery } from '../../api/admin-queries';
import { signinQuery, usersQuery } from '../../api/queries';
import { InviteDialog } from '../../components/admin/InviteDialog';
import { PeopleTable } from '../../components/admin/PeopleTable';
import styles from '../../components/console/console.module.css';
import { ProblemNotice } from '../../components/ProblemNotice';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { CheckBox } from '../../ui/CheckBox';
import { TextField } from '../../ui/TextField';
import { PageHeading } from '../../ui/PageHeading';

export function PeoplePage() {
  const t = useText();
  const { data: signin } = useQuery(signinQuery);
  const users = useQuery(usersQuery);
  const { data: organizations } = useQuery(organizationsQuery);
  const [name, setName] = useState('');
  const [isInviting, setInviting] = useState(false);
  const [showArchived, setShowArchived] = useState(false);
  const shown = users.data?.filter((user) => (showArchived || !user.archived_at) && user.name.toLowerCase().includes(name.toLowerCase())) ?? [];
  return (
    <div className={styles['page']}>
      <div className={styles['head']}>
        <PageHeading>{t('admin.people')}</PageHeading>
        <Button look="primary" icon="add" onPress={() => { setInviting(true); }}>{t('people.invite')}</Button>
      </div>
      <div className={styles['bar']}>
        <TextField label={t('people.find')} value={name} onChange={setName} />
        <CheckBox checked={showArchived} onChange={setShowArchived}>{t('people.showArchived')}</CheckBox>
      </div>
      <ProblemNotice error={users.error} />
      {shown.length > 0 ? <PeopleTable users={shown} me={signin?.user ?? ''} organizations={new Map(organizations?.map(({ id, name }) => [id, name]))} /> : users.data && <p className={styles['fine']}>{t('people.none')}</p>}
      {isInviting && <InviteDialog role={signin?.role ?? ''} onClose={() => { setInviting(false); }} />}
    </div>
  );
}
