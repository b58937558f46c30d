import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { client } from '../api/client';
import { FOLDER_CHANGES, foldersQuery, meQuery, type Folder } from '../api/folders';
import { FormDialog } from '../components/console/FormDialog';
import { PageTabs } from '../components/console/PageTabs';
import styles from '../components/console/console.module.css';
import { FolderQuotas } from '../components/folders/FolderQuotas';
import { FolderTable } from '../components/folders/FolderTable';
import { Invitations } from '../components/folders/Invitations';
import { mayManage } from '../components/folders/folder-rights';
import { NewFolderDialog } from '../components/folders/NewFolderDialog';
import { ProblemNotice } from '../components/ProblemNotice';
import { useAct } from '../hooks/use-act';
import { useText } from '../i18n/console';
import { Button } from '../ui/Button';
import { PageHeading } from '../ui/PageHeading';

/** Every folder that one may reach, and the trash. */
export function FoldersPage() {
  const t = useText();
  const { trash = false } = useSearch({ from: '/signed-in/folders' });
  const navigate = useNavigate();
  const folders = useQuery(foldersQuery(trash));
  const { data: me } = useQuery(meQuery);
  const [isMaking, setMaking] = useState(false);
  const items = folders.data?.items ?? [];
  return (
    <>
      <PageTabs label={t('folders.parts')} tabs={[{ to: '/folders', label: t('folders.list'), search: {} }, { to: '/folders', label: t('folders.trash'), search: { trash: true } }]} />
      <div className={styles['page']}>
        <div className={styles['head']}>
          <PageHeading>{t(trash ? 'folders.trash' : 'nav.folders')}</PageHeading>
          {!trash && <Button look="primary" icon="add" onPress={() => { setMaking(true); }}>{t('folders.new')}</Button>}
        </div>
        {!trash && <p className={styles['lead']}>{t('folders.lead')}</p>}
        {!trash && me && <Invitations me={me.id} />}
        <ProblemNotice error={folders.error} />
        {folders.isPending && <p className={styles['fine']}>{t('app.loading')}</p>}
        {folders.data && items.length === 0 && <p className={styles['empty']}>{t(trash ? 'folders.none.trash' : 'folders.none')}</p>}
        {items.length > 0 && (trash ? <Trash folders={items} /> : <FolderTable folders={items} me={me?.id ?? ''} />)}
        {folders.data?.isWhole === false && <p className={styles['fine']}>{t('folders.more')}</p>}
        <FolderQuotas />
        {isMaking && <NewFolderDialog onClose={() => { setMaking(false); }} onMade={({ id }) => void navigate({ to: '/folders/$folder', params: { folder: id } })} />}
      </div>
    </>
  );
}

function Trash({ folders }: { folders: readonly Folder[] }) {
  const t = useText();
  const { data: me } = useQuery(meQuery);
  const [purging, setPurging] = useState<Folder | null>(null);
  const restore = useAct((id: string) => client.POST('/api/v1/folders/{id}/restore', { params: { path: { id } } }), FOLDER_CHANGES);
  const purge = useAct((id: string) => client.POST('/api/v1/folders/{id}/purge', { params: { path: { id } } }), FOLDER_CHANGES, () => { setPurging(null); });
  return (
    <>
      <ProblemNotice error={restore.error} />
      <FolderTable
        folders={folders}
        me={me?.id ?? ''}
        acts={(folder) => mayManage(folder, me) && folder.state === 'trashed' && (
          <span className={styles['acts']}>
            <Button small isPending={restore.isPending && restore.variables === folder.id} onPress={() => { restore.mutate(folder.id); }}>{t('folders.restore')}</Button>
            <Button small look="danger" onPress={() => { setPurging(folder); }}>{t('folders.purge')}</Button>
          </span>
        )}
      />
      {purging && (
        <FormDialog title={t('folders.purge.title', { name: purging.name })} submit={t('folders.purge.submit')} look="danger" act={purge} onSubmit={() => { purge.mutate(purging.id); }} onClose={() => { setPurging(null); }}>
          <p>{t('folders.purge.text')}</p>
        </FormDialog>
      )}
    </>
  );
}
