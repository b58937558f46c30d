import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { projectsQuery } from '../../api/admin-queries';
import { body, client, type Schema } from '../../api/client';
import { FOLDER_CHANGES, FOLDER_MODES, meQuery, PERMISSIONS, type Folder } from '../../api/folders';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { CheckBox } from '../../ui/CheckBox';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';
import { isAdministrator } from '../roles';
import { managesProject } from './folder-rights';

/** What a folder is called, whose it is, and what for. */
export function NewFolderDialog({ onClose, onMade, name }: { onClose: () => void; onMade: (folder: Folder) => void; name?: string }) {
  const t = useText();
  const [project, setProject] = useState('');
  const projects = useProjectsForFolders();
  const make = useAct((asked: Schema['FolderCreate']) => body(client.POST('/api/v1/folders', { body: asked })), FOLDER_CHANGES, onMade);
  const submit = (given: FormData) => {
    const mode = FOLDER_MODES.find((mode) => mode === typed(given, 'mode')) ?? 'general';
    const permission = PERMISSIONS.find((permission) => permission === typed(given, 'permission'));
    make.mutate({ name: typed(given, 'name') ?? '', mode, cloneable: given.get('cloneable') !== null, ...(project ? { project, ...(permission ? { permission } : {}) } : {}) });
  };
  return (
    <FormDialog title={t('folders.new')} submit={t('folders.create.submit')} act={make} onSubmit={submit} onClose={onClose}>
      <TextField label={t('folders.name')} name="name" hint={t('folders.create.hint')} defaultValue={name ?? ''} isRequired autoComplete="off" />
      <div className={styles['pair']}>
        {projects.length > 0 && <SelectField label={t('folders.create.for')} value={project} onChange={setProject} options={[{ value: '', label: t('folders.create.mine') }, ...projects.map(({ id, name }) => ({ value: id, label: t('folders.whose.project', { name }) }))]} />}
        <SelectField label={t('folders.mode')} name="mode" options={FOLDER_MODES.map((mode) => ({ value: mode, label: t(`folders.mode.${mode}`) }))} />
        {project && <SelectField label={t('folders.create.members')} name="permission" defaultValue="write" options={PERMISSIONS.map((value) => ({ value, label: t(`folders.may.${value}`) }))} />}
      </div>
      <CheckBox name="cloneable">{t('folders.cloneable')}</CheckBox>
    </FormDialog>
  );
}

/** Projects that whoever asks may make folders for. */
export function useProjectsForFolders(): readonly Schema['ProjectView'][] {
  const { data: me } = useQuery(meQuery);
  const { data: projects = [] } = useQuery(projectsQuery);
  if (!me) return [];
  return projects.filter(({ id, archived_at }) => !archived_at && (isAdministrator(me.role) || managesProject(me, id)));
}
