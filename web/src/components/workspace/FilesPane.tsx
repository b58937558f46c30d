import { useMutation, useQueries, useQueryClient } from '@tanstack/react-query';
import { useState, type DragEvent } from 'react';
import { FileTrigger } from 'react-aria-components';
import { downloadFile, makeFolder, moveFile, removeFile, writeFile, type FileEntry } from '../../api/files';
import { filesQuery } from '../../api/queries';
import { useText } from '../../i18n/text';
import { baseOf, folderOf, joined } from '../../workspace/names';
import { useTabs, useWorkspace } from '../../workspace/workspace';
import { Button, IconButton } from '../../ui/Button';
import { Notice } from '../../ui/Notice';
import { DeleteDialog, NameDialog } from './FileDialogs';
import { FileTree, type FileAct } from './FileTree';
import styles from './FilesPane.module.css';

type Asked = { kind: 'new-file' | 'new-folder'; folder: string } | { kind: 'rename' | 'delete'; entry: FileEntry };

/** The files of the workspace, and what can be done with them. */
export function FilesPane({ onOpen }: { onOpen: () => void }) {
  const t = useText();
  const { session, tabs } = useWorkspace();
  const { active } = useTabs();
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const [folder, setFolder] = useState('');
  const [asked, setAsked] = useState<Asked | null>(null);
  const [isOver, setOver] = useState(false);
  const listed = useListed(session.id, expanded);
  const acts = useFileActs(() => { setAsked(null); });
  const open = (entry: FileEntry) => {
    setFolder(entry.kind === 'directory' ? entry.path : folderOf(entry.path));
    if (entry.kind === 'directory') return;
    tabs.open(entry.path);
    onOpen();
  };
  const act = (kind: FileAct, entry: FileEntry) => {
    if (kind === 'download') acts.mutate(() => downloadFile(session.id, entry.path, entry.kind === 'directory' ? `${baseOf(entry.path)}.tar` : baseOf(entry.path)));
    else setAsked({ kind, entry });
  };
  const upload = (files: Iterable<File>) => {
    acts.mutate(async () => { for (const file of files) await writeFile(session.id, joined(folder, file.name), file); });
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    upload(event.dataTransfer.files);
  };
  return (
    <section className={[styles['pane'], isOver ? styles['over'] : ''].join(' ')} aria-label={t('files.title')} onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => { setOver(false); }} onDrop={drop}>
      <header className={styles['head']}>
        <h2 className={styles['title']}>{t('files.title')}</h2>
        <IconButton icon="add" label={t('files.newFile')} onPress={() => { setAsked({ kind: 'new-file', folder }); }} />
        <IconButton icon="folder" label={t('files.newFolder')} onPress={() => { setAsked({ kind: 'new-folder', folder }); }} />
        <FileTrigger allowsMultiple onSelect={(files) => { if (files) upload(Array.from(files)); }}>
          <IconButton icon="upload" label={t('files.upload')} />
        </FileTrigger>
        <IconButton icon="refresh" label={t('files.refresh')} onPress={() => void listed.refresh()} />
      </header>
      {acts.error && <Notice tone="danger" action={<Button small onPress={() => { acts.reset(); }}>{t('app.close')}</Button>}>{acts.error.message}</Notice>}
      {listed.error && <Notice tone="warm">{listed.error.message}</Notice>}
      {acts.isPending && <p className={styles['hint']} role="status">{t('files.working')}</p>}
      {listed.entries.get('')?.length === 0 && <p className={styles['hint']}>{t('files.empty')}</p>}
      <FileTree listed={listed.entries} expanded={expanded} onExpand={setExpanded} active={active} onOpen={open} onAct={act} />
      {asked && <Dialogs asked={asked} acts={acts} onClose={() => { acts.reset(); setAsked(null); }} onOpen={onOpen} />}
    </section>
  );
}

type Acts = ReturnType<typeof useFileActs>;

function Dialogs({ asked, acts, onClose, onOpen }: { asked: Asked; acts: Acts; onClose: () => void; onOpen: () => void }) {
  const { session, tabs } = useWorkspace();
  const common = { onClose, isPending: acts.isPending, error: acts.error };
  switch (asked.kind) {
    case 'new-file':
      return <NameDialog kind="new-file" folder={asked.folder} {...common} onName={(path) => {
        acts.mutate(async () => { await writeFile(session.id, path, ''); tabs.open(path); onOpen(); });
      }} />;
    case 'new-folder':
      return <NameDialog kind="new-folder" folder={asked.folder} {...common} onName={(path) => { acts.mutate(() => makeFolder(session.id, path)); }} />;
    case 'rename': {
      const from = asked.entry.path;
      return <NameDialog kind="rename" folder={folderOf(from)} name={baseOf(from)} {...common} onName={(to) => {
        acts.mutate(async () => {
          const wasOpen = tabs.snapshot().tabs.some(({ path }) => path === from);
          await tabs.flush();
          await moveFile(session.id, from, to);
          tabs.drop(from);
          if (wasOpen) tabs.open(to);
        });
      }} />;
    }
    case 'delete':
      return <DeleteDialog entry={asked.entry} {...common} onDelete={() => {
        acts.mutate(async () => { await removeFile(session.id, asked.entry.path); tabs.drop(asked.entry.path); });
      }} />;
  }
}

/** One thing at a time is done with files; afterwards the lists are read again. */
function useFileActs(onDone: () => void) {
  const queries = useQueryClient();
  const { session } = useWorkspace();
  return useMutation({
    mutationFn: (act: () => Promise<void>) => act(),
    onSuccess: onDone,
    onSettled: () => queries.invalidateQueries({ queryKey: ['files', session.id] }),
  });
}

const REFRESH_MS = 5_000;

function useListed(session: string, expanded: ReadonlySet<string>) {
  const queries = useQueryClient();
  const folders = ['', ...expanded];
  const results = useQueries({
    queries: folders.map((path) => ({ ...filesQuery(session, path), refetchInterval: REFRESH_MS })),
  });
  const entries = new Map(folders.map((path, at) => [path, results[at]?.data]));
  return { entries, error: results[0]?.error ?? null, refresh: () => queries.invalidateQueries({ queryKey: ['files', session] }) };
}
