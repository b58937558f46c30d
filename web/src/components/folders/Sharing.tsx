import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { projectsQuery } from '../../api/admin-queries';
import { client, type Schema } from '../../api/client';
import { FOLDER_CHANGES, folderSharesQuery, invitationsQuery, PERMISSIONS, type Folder } from '../../api/folders';
import { usersQuery } from '../../api/queries';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { SelectField } from '../../ui/SelectField';
import { Table } from '../../ui/Table';
import { TextField } from '../../ui/TextField';
import { Ago } from '../Ago';
import { Card } from '../console/Card';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';
import { ProblemNotice } from '../ProblemNotice';

type Row = { key: string; name: string; permission: Schema['FolderPermission']; since: string; isPending: boolean; end: () => void };
type With = 'user' | 'project';

/** Who besides its owner may reach a folder, and who is invited. */
export function Sharing({ folder }: { folder: Folder }) {
  const t = useText();
  const shares = useQuery(folderSharesQuery(folder.id));
  const { data: invitations = [] } = useQuery(invitationsQuery);
  const [adding, setAdding] = useState<With | null>(null);
  const [ending, setEnding] = useState<Schema['FolderShareView'] | null>(null);
  const withdraw = useAct((user: string) => client.DELETE('/api/v1/folders/{id}/invitations/{name}', { params: { path: { id: folder.id, name: user } } }), FOLDER_CHANGES);
  const pending = invitations.filter((invitation) => invitation.folder === folder.id && invitation.state === 'pending');
  const rows: Row[] = [
    ...(shares.data ?? []).map((share) => ({ key: share.user ?? share.project ?? '', name: share.project ? t('folders.whose.project', { name: share.name }) : share.name, permission: share.permission, since: share.created_at, isPending: false, end: () => { setEnding(share); } })),
    ...pending.map(({ id, user, user_name, permission, created_at }) => ({ key: id, name: user_name, permission, since: created_at, isPending: true, end: () => { withdraw.mutate(user); } })),
  ];
  return (
    <Card title={t('share.with.title')} acts={<span className={styles['acts']}><Button small icon="person" onPress={() => { setAdding('user'); }}>{t(folder.user ? 'share.invite' : 'share.with')}</Button><Button small onPress={() => { setAdding('project'); }}>{t('share.project')}</Button></span>}>
      <ProblemNotice error={shares.error ?? withdraw.error} />
      {shares.data && rows.length === 0 && <p className={styles['fine']}>{t('share.none')}</p>}
      {rows.length > 0 && (
        <Table<Row>
          label={t('share.with.title')}
          rows={rows}
          rowKey={({ key }) => key}
          isGone={({ isPending }) => isPending}
          columns={[
            { id: 'name', title: t('share.user'), cell: ({ name }) => name },
            { id: 'may', title: t('share.may'), cell: ({ permission }) => t(`folders.may.${permission}`) },
            { id: 'since', title: t('share.state'), kind: 'wide', cell: ({ isPending, since }) => (isPending ? t('share.pending') : <Ago time={since} />) },
            { id: 'acts', title: '', kind: 'number', cell: ({ isPending, name, end }) => <Button small aria-label={isPending ? `${t('invitations.withdraw')}: ${name}` : t('share.end', { name })} onPress={end}>{t(isPending ? 'invitations.withdraw' : 'admin.remove')}</Button> },
          ]}
        />
      )}
      {adding && <ShareDialog folder={folder} kind={adding} onClose={() => { setAdding(null); }} />}
      {ending && <EndShareDialog share={ending} onClose={() => { setEnding(null); }} />}
    </Card>
  );
}

function ShareDialog({ folder, kind, onClose }: { folder: Folder; kind: With; onClose: () => void }) {
  const t = useText();
  const { data: users = [] } = useQuery(usersQuery);
  const { data: projects = [] } = useQuery(projectsQuery);
  const params = { path: { id: folder.id } };
  const isInvitation = kind === 'user' && Boolean(folder.user);
  const share = useAct(
    ({ name, permission }: { name: string; permission: Schema['FolderPermission'] }): Promise<unknown> =>
      isInvitation ? client.POST('/api/v1/folders/{id}/invitations', { params, body: { user: name, permission } }) : client.POST('/api/v1/folders/{id}/shares', { params, body: { [kind]: name, permission } }),
    FOLDER_CHANGES,
    onClose,
  );
  const options = kind === 'project' ? projects.filter(({ id, archived_at }) => !archived_at && id !== folder.project) : users.filter(({ id, archived_at }) => !archived_at && id !== folder.user);
  const permission = (given: FormData) => PERMISSIONS.find((permission) => permission === typed(given, 'permission')) ?? 'read';
  return (
    <FormDialog title={t(kind === 'project' ? 'share.project' : isInvitation ? 'share.invite' : 'share.with')} submit={t('share.submit')} act={share} onSubmit={(given) => { share.mutate({ name: typed(given, 'name') ?? '', permission: permission(given) }); }} onClose={onClose}>
      <p className={styles['fine']}>{t(isInvitation ? 'share.with.text' : 'share.now')}</p>
      {/* Members see few names of others; they know whom they mean. */}
      {options.length > 0 ? <SelectField label={t('share.user')} name="name" options={options.map(({ id, name }) => ({ value: id, label: name }))} /> : <TextField label={t('share.user')} name="name" isRequired autoComplete="off" />}
      <SelectField label={t('share.may')} name="permission" options={PERMISSIONS.map((value) => ({ value, label: t(`folders.may.${value}`) }))} />
    </FormDialog>
  );
}

function EndShareDialog({ share, onClose }: { share: Schema['FolderShareView']; onClose: () => void }) {
  const t = useText();
  const { folder, user, project, name } = share;
  const end = useAct(() => client.DELETE('/api/v1/folders/{id}/shares/{name}', { params: { path: { id: folder, name: user ?? project ?? '' } } }), FOLDER_CHANGES, onClose);
  return (
    <FormDialog title={t('share.end.title', { name })} submit={t('share.end.submit')} look="danger" act={end} onSubmit={() => { end.mutate(); }} onClose={onClose}>
      <p>{t('share.end.text')}</p>
    </FormDialog>
  );
}
