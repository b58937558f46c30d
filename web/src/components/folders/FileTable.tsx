import { useState } from 'react';
import { useIntl } from 'react-intl';
import { textOf, type FolderEntry, type FolderFiles } from '../../api/folder-files';
import { errorOf } from '../../api/problem';
import { useText } from '../../i18n/console';
import { IconButton } from '../../ui/Button';
import { bytes } from '../../ui/format';
import { Icon } from '../../ui/Icon';
import { Menu, type Choice } from '../../ui/Menu';
import { Table } from '../../ui/Table';
import { shown } from '../../workspace/names';
import { Ago } from '../Ago';
import { ProblemNotice } from '../ProblemNotice';
import type { FileDoing } from './FileDialogs';
import own from './folders.module.css';

type Act = 'download' | 'move' | 'delete';
type Props = { entries: readonly FolderEntry[]; isFound: boolean; files: FolderFiles; onPath: (path: string) => void; onDo: (doing: FileDoing) => void };

/** Names in a directory. Programs have chosen them, so they are shown as harmless text. */
export function FileTable({ entries, isFound, files, onPath, onDo }: Props) {
  const t = useText();
  const intl = useIntl();
  const [error, setError] = useState<Error | null>(null);
  const download = (entry: FolderEntry) => {
    setError(null);
    files.downloadUrl(entry).then(save, (error: unknown) => { setError(errorOf(error)); });
  };
  const act = (entry: FolderEntry, id: Act) => { if (id === 'download') download(entry); else onDo({ what: id, entry }); };
  const named = ({ name, path }: FolderEntry) => shown(isFound ? (textOf(path) ?? name) : name);
  return (
    <>
      <ProblemNotice error={error} />
      <Table<FolderEntry>
        label={t('browse.title')}
        rows={entries}
        rowKey={({ path }) => path}
        columns={[
          { id: 'name', title: t('folders.name'), cell: (entry) => <Name entry={entry} text={named(entry)} onOpen={() => { if (entry.kind === 'directory') onPath(entry.path); else download(entry); }} /> },
          { id: 'size', title: t('browse.size'), kind: 'number', cell: ({ kind, size_bytes }) => (kind === 'file' ? bytes(intl, size_bytes) : kind === 'directory' ? '' : t(`browse.kind.${kind}`)) },
          { id: 'changed', title: t('browse.changed'), kind: 'wide', cell: ({ modified_ms }) => <Ago time={new Date(modified_ms).toISOString()} /> },
          { id: 'acts', title: '', kind: 'number', cell: (entry) => <EntryMenu entry={entry} name={named(entry)} may={files.may} onChoose={(id) => { act(entry, id); }} /> },
        ]}
      />
    </>
  );
}

function Name({ entry: { kind }, text, onOpen }: { entry: FolderEntry; text: string; onOpen: () => void }) {
  const inside = <><Icon name={kind === 'directory' ? 'folder' : 'file'} /><span>{text}</span></>;
  return kind === 'directory' || kind === 'file' ? <button type="button" className={own['entry']} onClick={onOpen}>{inside}</button> : <span className={own['entry']}>{inside}</span>;
}

function EntryMenu({ entry: { kind }, name, may, onChoose }: { entry: FolderEntry; name: string; may: FolderFiles['may']; onChoose: (id: Act) => void }) {
  const t = useText();
  const choices: Choice<Act>[] = [];
  if (kind === 'file' || kind === 'directory') choices.push({ id: 'download', label: t(kind === 'file' ? 'files.download' : 'browse.zip'), icon: 'download' });
  if (may === 'delete') choices.push({ id: 'move', label: t('browse.move'), icon: 'pencil' }, { id: 'delete', label: t('files.delete'), icon: 'trash', danger: true });
  const label = t('files.more', { name });
  return choices.length > 0 && <Menu label={label} trigger={<IconButton icon="more" label={label} />} choices={choices} onChoose={onChoose} />;
}

/** The browser takes it by itself, however large. */
function save(url: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = '';
  link.click();
}
