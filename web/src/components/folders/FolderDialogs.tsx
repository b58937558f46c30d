import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { projectsQuery } from '../../api/admin-queries';
import { body, client, type Schema } from '../../api/client';
import { FOLDER_CHANGES, FOLDER_MODES, folderSharesQuery, PERMISSIONS, type Folder } from '../../api/folders';
import { usersQuery } from '../../api/queries';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { CheckBox } from '../../ui/CheckBox';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';
import { useProjectsForFolders } from './NewFolderDialog';

type Props = { folder: Folder; onClose: () => void };

const params = ({ id }: Folder) => ({ path: { id } });

export function ChangeDialog({ folder, onClose }: Props) {
  const t = useText();
  const change = useAct((asked: Schema['FolderChange']) => client.PATCH('/api/v1/folders/{id}', { params: params(folder), body: asked }), FOLDER_CHANGES, onClose);
  const submit = (given: FormData) => {
    const mode = FOLDER_MODES.find((mode) => mode === typed(given, 'mode'));
    const permission = PERMISSIONS.find((permission) => permission === typed(given, 'permission'));
    change.mutate({ name: typed(given, 'name') ?? folder.name, cloneable: given.get('cloneable') !== null, ...(mode ? { mode } : {}), ...(permission ? { permission } : {}) });
  };
  return (
    <FormDialog title={t('folder.rename.title', { name: folder.name })} submit={t('admin.save')} act={change} onSubmit={submit} onClose={onClose}>
      <TextField label={t('folders.name')} name="name" defaultValue={folder.name} hint={t('folders.create.hint')} isRequired autoComplete="off" />
      <div className={styles['pair']}>
        <SelectField label={t('folders.mode')} name="mode" defaultValue={folder.mode} options={FOLDER_MODES.map((mode) => ({ value: mode, label: t(`folders.mode.${mode}`) }))} />
        {folder.project && <SelectField label={t('folders.create.members')} name="permission" defaultValue={folder.permission} options={PERMISSIONS.map((value) => ({ value, label: t(`folders.may.${value}`) }))} />}
      </div>
      <CheckBox name="cloneable" defaultChecked={folder.cloneable}>{t('folders.cloneable')}</CheckBox>
    </FormDialog>
  );
}

export function CloneDialog({ folder, onClose }: Props) {
  const t = useText();
  const navigate = useNavigate();
  const projects = useProjectsForFolders();
  const clone = useAct(
    (asked: Schema['FolderClone']) => body(client.POST('/api/v1/folders/{id}/clone', { params: params(folder), body: asked })),
    FOLDER_CHANGES,
    ({ id }) => { onClose(); void navigate({ to: '/folders/$folder', params: { folder: id } }); },
  );
  const submit = (given: FormData) => {
    const project = typed(given, 'project');
    clone.mutate({ name: typed(given, 'name') ?? '', ...(project ? { project } : {}) });
  };
  return (
    <FormDialog title={t('folder.clone.title', { name: folder.name })} submit={t('folder.clone.submit')} act={clone} onSubmit={submit} onClose={onClose}>
      <p>{t('folder.clone.text')}</p>
      <TextField label={t('folder.clone.name')} name="name" defaultValue={`${folder.name}-2`} isRequired autoComplete="off" />
      {projects.length > 0 && <SelectField label={t('folders.create.for')} name="project" options={[{ value: '', label: t('folders.create.mine') }, ...projects.map(({ id, name }) => ({ value: id, label: t('folders.whose.project', { name }) }))]} />}
    </FormDialog>
  );
}

export function GiveDialog({ folder, onClose }: Props) {
  const t = useText();
  const navigate = useNavigate();
  const { data: users = [] } = useQuery(usersQuery);
  const { data: projects = [] } = useQuery(projectsQuery);
  const [to, setTo] = useState<'user' | 'project'>('project');
  const give = useAct(
    (asked: Schema['FolderOwnerChange']) => client.POST('/api/v1/folders/{id}/owner', { params: params(folder), body: asked }),
    FOLDER_CHANGES,
    () => { onClose(); void navigate({ to: '/folders' }); },
  );
  const options = to === 'project' ? projects.filter(({ id, archived_at }) => !archived_at && id !== folder.project) : users.filter(({ id, archived_at }) => !archived_at && id !== folder.user);
  return (
    <FormDialog title={t('folder.give.title', { name: folder.name })} submit={t('folder.give.submit')} look="danger" act={give} onSubmit={(given) => { give.mutate({ [to]: typed(given, 'name') ?? '' }); }} onClose={onClose}>
      <p>{t('folder.give.text')}</p>
      <div className={styles['pair']}>
        <SelectField label={t('folder.give.to')} value={to} options={[{ value: 'project', label: t('people.project') }, { value: 'user', label: t('usage.by.user') }]} onChange={(value) => { setTo(value === 'user' ? 'user' : 'project'); }} />
        {options.length > 0 ? <SelectField key={to} label={t('folders.name')} name="name" options={options.map(({ id, name }) => ({ value: id, label: name }))} /> : <TextField key={to} label={t('folders.name')} name="name" isRequired autoComplete="off" />}
      </div>
    </FormDialog>
  );
}

export function TrashDialog({ folder, onClose }: Props) {
  const t = useText();
  const navigate = useNavigate();
  const { data: shares = [] } = useQuery(folderSharesQuery(folder.id));
  const trash = useAct(() => client.DELETE('/api/v1/folders/{id}', { params: params(folder) }), FOLDER_CHANGES, () => { onClose(); void navigate({ to: '/folders' }); });
  return (
    <FormDialog title={t('folder.trash.title', { name: folder.name })} submit={t('folder.trash.submit')} look="danger" act={trash} onSubmit={() => { trash.mutate(); }} onClose={onClose}>
      <p>{t('folder.trash.text')}</p>
      {shares.length > 0 && <p>{t('folder.trash.shared', { count: shares.length, names: shares.map(({ name }) => name).join(', ') })}</p>}
    </FormDialog>
  );
}

export function LeaveDialog({ folder, onClose }: Props) {
  const t = useText();
  const navigate = useNavigate();
  const leave = useAct(() => client.POST('/api/v1/folders/{id}/leave', { params: params(folder) }), FOLDER_CHANGES, () => { onClose(); void navigate({ to: '/folders' }); });
  return (
    <FormDialog title={t('folder.leave.title', { name: folder.name })} submit={t('folder.leave.submit')} look="danger" act={leave} onSubmit={() => { leave.mutate(); }} onClose={onClose}>
      <p>{t('folder.leave.text', { owner: folder.owner_name })}</p>
    </FormDialog>
  );
}
