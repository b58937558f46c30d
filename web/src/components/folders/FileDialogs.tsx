import { useIntl } from 'react-intl';
import { encoded, joined, textOf, type FolderEntry, type FolderFiles } from '../../api/folder-files';
import { folderEntriesKey } from '../../api/folder-entries';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { bytes } from '../../ui/format';
import { TextField } from '../../ui/TextField';
import { shown } from '../../workspace/names';
import { FormDialog, typed } from '../console/FormDialog';

export type FileDoing = { what: 'move'; entry: FolderEntry } | { what: 'delete'; entry: FolderEntry } | { what: 'directory'; path: string };

const CHANGES = [folderEntriesKey, 'folder', 'folder-quotas'];

type Props = { doing: FileDoing; files: FolderFiles; onClose: () => void };

export function FileDialog({ doing, files, onClose }: Props) {
  if (doing.what === 'directory') return <DirectoryDialog path={doing.path} files={files} onClose={onClose} />;
  if (doing.what === 'move') return <MoveDialog entry={doing.entry} files={files} onClose={onClose} />;
  return <DeleteDialog entry={doing.entry} files={files} onClose={onClose} />;
}

function DirectoryDialog({ path, files, onClose }: { path: string; files: FolderFiles; onClose: () => void }) {
  const t = useText();
  const make = useAct((name: string) => files.makeDirectory(joined(path, encoded(name))), CHANGES, onClose);
  return (
    <FormDialog title={t('files.newFolder')} submit={t('folders.create.submit')} act={make} onSubmit={(given) => { make.mutate(typed(given, 'name') ?? ''); }} onClose={onClose}>
      <TextField label={t('files.name')} name="name" isRequired autoComplete="off" />
    </FormDialog>
  );
}

type EntryProps = { entry: FolderEntry; files: FolderFiles; onClose: () => void };

function MoveDialog({ entry, files, onClose }: EntryProps) {
  const t = useText();
  const move = useAct((to: string) => files.move(entry.path, encoded(to)), CHANGES, onClose);
  return (
    <FormDialog title={t('browse.move.title', { name: shown(entry.name) })} submit={t('files.rename')} act={move} onSubmit={(given) => { move.mutate((typed(given, 'to') ?? '').replace(/^\/+|\/+$/g, '')); }} onClose={onClose}>
      <TextField label={t('browse.move.to')} name="to" defaultValue={textOf(entry.path) ?? ''} isRequired autoComplete="off" />
    </FormDialog>
  );
}

function DeleteDialog({ entry, files, onClose }: EntryProps) {
  const t = useText();
  const intl = useIntl();
  const remove = useAct(() => files.remove(entry), CHANGES, onClose);
  const what = entry.kind === 'directory' ? t('browse.delete.directory') : t('browse.delete.file', { size: bytes(intl, entry.size_bytes) });
  return (
    <FormDialog title={t('browse.delete.title', { name: shown(entry.name) })} submit={t('browse.delete.submit')} look="danger" act={remove} onSubmit={() => { remove.mutate(); }} onClose={onClose}>
      <p>{what}</p>
    </FormDialog>
  );
}
