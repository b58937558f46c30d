import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { meQuery, type Folder } from '../../api/folders';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { BeginDialog } from '../console/BeginDialog';
import styles from '../console/console.module.css';
import { mayManage } from './folder-rights';
import { ChangeDialog, CloneDialog, GiveDialog, LeaveDialog, TrashDialog } from './FolderDialogs';

type Doing = 'use' | 'change' | 'clone' | 'give' | 'trash' | 'leave';

/** What can be done with a folder by whoever looks at it. */
export function FolderActs({ folder }: { folder: Folder }) {
  const t = useText();
  const { data: me } = useQuery(meQuery);
  const [doing, setDoing] = useState<Doing | null>(null);
  const close = () => { setDoing(null); };
  const manages = mayManage(folder, me);
  const isReady = folder.state === 'ready';
  // A project's folder is left with the project; a user's, where it was shared.
  const isShared = Boolean(folder.user && me && folder.user !== me.id && folder.may);
  return (
    <>
      <div className={styles['acts']} role="group" aria-label={t('folder.actions')}>
        {isReady && folder.may && <Button look="primary" icon="play" onPress={() => { setDoing('use'); }}>{t('folder.use')}</Button>}
        {isReady && manages && <Button icon="pencil" onPress={() => { setDoing('change'); }}>{t('folder.rename')}</Button>}
        {isReady && (folder.may === 'delete' || (folder.may && folder.cloneable)) && <Button onPress={() => { setDoing('clone'); }}>{t('folder.clone')}</Button>}
        {isReady && manages && <Button onPress={() => { setDoing('give'); }}>{t('folder.give')}</Button>}
        {isShared && <Button onPress={() => { setDoing('leave'); }}>{t('folder.leave')}</Button>}
        {(isReady || folder.state === 'failed') && manages && <Button look="danger" icon="trash" onPress={() => { setDoing('trash'); }}>{t('folder.trash')}</Button>}
      </div>
      {doing === 'use' && <BeginDialog text={t('folder.use.text', { at: `/home/work/${folder.name}` })} folder={folder.id} onClose={close} />}
      {doing === 'change' && <ChangeDialog folder={folder} onClose={close} />}
      {doing === 'clone' && <CloneDialog folder={folder} onClose={close} />}
      {doing === 'give' && <GiveDialog folder={folder} onClose={close} />}
      {doing === 'leave' && <LeaveDialog folder={folder} onClose={close} />}
      {doing === 'trash' && <TrashDialog folder={folder} onClose={close} />}
    </>
  );
}
