import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { body, client, type Schema } from '../../api/client';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Badge } from '../../ui/Badge';
import { IconButton } from '../../ui/Button';
import { Menu, type Choice } from '../../ui/Menu';
import { Table } from '../../ui/Table';
import { FormDialog } from '../console/FormDialog';
import { ProblemNotice } from '../ProblemNotice';
import { roleOf } from '../roles';
import { LinkDialog } from './InviteDialog';
import { UserDialog } from './UserDialog';

type User = Schema['UserView'];
type Doing = { what: 'change' | 'archive'; user: User } | { what: 'link'; user: User; link: Schema['LinkMade'] } | null;

export function PeopleTable({ users, me, organizations }: { users: readonly User[]; me: string; organizations: ReadonlyMap<string, string> }) {
  const t = useText();
  const [doing, setDoing] = useState<Doing>(null);
  const close = () => { setDoing(null); };
  const suspend = useAct(({ user, suspended }: { user: User; suspended: boolean }) => client.PATCH('/api/v1/users/{id}', { params: { path: { id: user.id } }, body: { suspended } }), ['users']);
  const link = useAct(async (user: User) => ({ user, link: await body(client.POST('/api/v1/links', { body: { user: user.id, kind: 'reset' } })) }), [], (made) => { setDoing({ what: 'link', ...made }); });
  const choose = (user: User, id: Act) => {
    if (id === 'change' || id === 'archive') setDoing({ what: id, user });
    else if (id === 'reset') link.mutate(user);
    else suspend.mutate({ user, suspended: id === 'suspend' });
  };
  return (
    <>
      <ProblemNotice error={suspend.error ?? link.error} />
      <Table<User>
        label={t('admin.people')}
        rows={users}
        rowKey={({ id }) => id}
        isGone={({ archived_at }) => Boolean(archived_at)}
        columns={[
          { id: 'name', title: t('people.name'), cell: ({ name }) => name },
          { id: 'state', title: t('people.state'), cell: (user) => <UserBadge user={user} /> },
          { id: 'role', title: t('people.role'), cell: ({ role }) => t(`people.role.${roleOf(role)}`) },
          { id: 'policy', title: t('people.policy'), kind: 'wide', cell: ({ policy }) => policy && <Link to="/admin/policies">{policy}</Link> },
          { id: 'email', title: t('people.email'), kind: 'widest', cell: ({ email }) => email },
          { id: 'organization', title: t('people.organization'), kind: 'widest', cell: ({ organization }) => organizations.get(organization) ?? organization },
          { id: 'sessions', title: t('people.sessions'), kind: 'wide', cell: ({ id, name }) => <Link to="/sessions" search={{ owner: id }} aria-label={`${t('people.sessions.see')}: ${name}`}>{t('people.sessions.see')}</Link> },
          { id: 'acts', title: '', kind: 'number', cell: (user) => !user.archived_at && <UserMenu user={user} isMe={user.id === me} onChoose={(id) => { choose(user, id); }} /> },
        ]}
      />
      {doing?.what === 'change' && <UserDialog user={doing.user} onClose={close} />}
      {doing?.what === 'archive' && <ArchiveDialog user={doing.user} onClose={close} />}
      {doing?.what === 'link' && <LinkDialog name={doing.user.name} link={doing.link} onClose={close} />}
    </>
  );
}

function UserBadge({ user }: { user: User }) {
  const t = useText();
  const state = user.archived_at ? 'archived' : user.suspended_at ? 'suspended' : 'active';
  return <Badge tone={state === 'active' ? 'good' : state === 'suspended' ? 'bad' : 'still'}>{t(`people.state.${state}`)}</Badge>;
}

type Act = 'change' | 'reset' | 'suspend' | 'resume' | 'archive';

function UserMenu({ user, isMe, onChoose }: { user: User; isMe: boolean; onChoose: (id: Act) => void }) {
  const t = useText();
  const choices: Choice<Act>[] = [{ id: 'change', label: t('admin.change'), icon: 'pencil' }, { id: 'reset', label: t('people.reset') }];
  // Nobody locks themselves out.
  if (!isMe) choices.push(user.suspended_at ? { id: 'resume', label: t('people.resume') } : { id: 'suspend', label: t('people.suspend') }, { id: 'archive', label: t('admin.archive'), icon: 'trash', danger: true });
  const label = t('admin.more', { name: user.name });
  return <Menu label={label} trigger={<IconButton icon="more" label={label} />} choices={choices} onChoose={onChoose} />;
}

function ArchiveDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const t = useText();
  const archive = useAct(() => client.DELETE('/api/v1/users/{id}', { params: { path: { id: user.id } } }), ['users'], onClose);
  return (
    <FormDialog title={t('people.archive.title', { name: user.name })} submit={t('admin.archive')} look="danger" act={archive} onSubmit={() => { archive.mutate(); }} onClose={onClose}>
      <p>{t('people.archive.text')}</p>
    </FormDialog>
  );
}
