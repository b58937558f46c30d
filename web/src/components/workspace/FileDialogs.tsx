import { useState, type FormEvent } from 'react';
import type { FileEntry } from '../../api/files';
import { useText } from '../../i18n/text';
import { Button } from '../../ui/Button';
import { Dialog, DialogActions } from '../../ui/Dialog';
import { TextField } from '../../ui/TextField';
import { baseOf, isName, joined, shown } from '../../workspace/names';
import { ProblemNotice } from '../ProblemNotice';
import styles from '../../pages/form.module.css';

type Common = { onClose: () => void; isPending: boolean; error: Error | null };
type NameProps = Common & { kind: 'new-file' | 'new-folder' | 'rename'; folder: string; name?: string; onName: (path: string) => void };

const TITLES = { 'new-file': 'files.newFile', 'new-folder': 'files.newFolder', rename: 'files.rename' } as const;

export function NameDialog({ kind, folder, name: present = '', onName, onClose, isPending, error }: NameProps) {
  const t = useText();
  const [name, setName] = useState(present);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isName(name) && name !== present) onName(joined(folder, name));
  };
  return (
    <Dialog title={t(TITLES[kind])} isOpen onClose={onClose}>
      <form className={styles['form']} onSubmit={submit}>
        {/* The dialog was opened to be typed into. */}
        {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
        <TextField label={t('files.name')} value={name} onChange={setName} autoFocus {...(folder === '' ? {} : { hint: t('files.inFolder', { folder: shown(folder) }) })} />
        <ProblemNotice error={error} />
        <DialogActions>
          <Button onPress={onClose}>{t('app.cancel')}</Button>
          <Button type="submit" look="primary" isPending={isPending} isDisabled={!isName(name) || name === present}>{t(TITLES[kind])}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

export function DeleteDialog({ entry, onDelete, onClose, isPending, error }: Common & { entry: FileEntry; onDelete: () => void }) {
  const t = useText();
  const name = shown(baseOf(entry.path));
  return (
    <Dialog title={t('files.delete.title', { name })} isOpen onClose={onClose}>
      <p>{t(entry.kind === 'directory' ? 'files.delete.folder' : 'files.delete.file')}</p>
      <ProblemNotice error={error} />
      <DialogActions>
        <Button onPress={onClose}>{t('app.cancel')}</Button>
        <Button look="danger" isPending={isPending} onPress={onDelete}>{t('files.delete')}</Button>
      </DialogActions>
    </Dialog>
  );
}
