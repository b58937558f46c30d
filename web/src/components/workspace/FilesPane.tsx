import { useMutation, useQueries, useQueryClient } from '@tanstack/react-query';
import { useRef, useState, type ChangeEvent, type DragEvent } from 'react';
import { downloadFile, makeFolder, moveFile, removeFile, writeFile, type FileEntry } from '../../api/files';
import { filesQuery } from '../../api/queries';
import { useText } from '../../i18n/text';
import { useBringing } from '../../hooks/use-bringing';
import { useLoaded } from '../../hooks/use-loaded';
import { droppedIn, gather, gatherChosen } from '../../workspace/brought';
import { baseOf, folderOf, joined } from '../../workspace/names';
import { useTabs, useWorkspace, type Workspace } from '../../workspace/workspace';
import { Button, IconButton } from '../../ui/Button';
import { Menu } from '../../ui/Menu';
import { BringDialog } from '../BringDialog';
import { ProblemNotice } from '../ProblemNotice';
import { BroughtTold } from './BroughtTold';
import { DeleteDialog, NameDialog } from './FileDialogs';
import type { FileAct } from './FileTree';
import styles from './FilesPane.module.css';

const loadTree = async () => (await import('./FileTree')).FileTree;
const loadSearch = async () => (await import('./FileSearch')).FileSearch;

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
  const [isSearching, setSearching] = useState(false);
  const [hidden, setHidden] = useState<'shown' | 'left-out'>('left-out');
  const FileTree = useLoaded(loadTree);
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
  const pane = useRef<HTMLElement>(null);
  const { bring, brought, asking, stop, again, close } = useBringing({ session: session.id, tabs, act: acts.mutate });
  const move = (path: string, into: string) => { acts.mutate(() => moved({ session, tabs }, path, joined(into, baseOf(path)))); };
  const choose = (choice: 'refresh' | 'hidden') => {
    if (choice === 'refresh') void listed.refresh();
    else setHidden(hidden === 'shown' ? 'left-out' : 'shown');
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    bring(gather(droppedIn(event.dataTransfer.items)), folder);
  };
  return (
    <section ref={pane} tabIndex={-1} className={[styles['pane'], isOver ? styles['over'] : ''].join(' ')} aria-label={t('files.title')} onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => { setOver(false); }} onDrop={drop}>
      <header className={styles['head']}>
        <h2 className={styles['title']}>{t('files.title')}</h2>
        <IconButton icon="add" label={t('files.newFile')} onPress={() => { setAsked({ kind: 'new-file', folder }); }} />
        <IconButton icon="folder" label={t('files.newFolder')} onPress={() => { setAsked({ kind: 'new-folder', folder }); }} />
        <UploadMenu onFiles={(files) => { bring(gatherChosen(files), folder); }} />
        <IconButton icon="search" label={t('search.title')} aria-pressed={isSearching} onPress={() => { setSearching(!isSearching); }} />
        <Menu
          label={t('files.view')}
          trigger={<IconButton icon="more" label={t('files.view')} />}
          choices={[
            { id: 'refresh', label: t('files.refresh'), icon: 'refresh' },
            { id: 'hidden', label: t(hidden === 'shown' ? 'files.hidden.leaveOut' : 'files.hidden.show'), icon: 'file' },
          ]}
          onChoose={choose}
        />
      </header>
      <ProblemNotice error={acts.error} action={<Button small onPress={() => { acts.reset(); }}>{t('app.close')}</Button>} />
      <ProblemNotice error={listed.error} tone="warm" />
      {brought && <BroughtTold brought={brought} onStop={stop} onAgain={again} onClose={close} home={() => pane.current} />}
      {(acts.isPending || brought?.state === 'going') && <p className={styles['hint']} role="status">{t('files.working')}</p>}
      {listed.entries.get('')?.length === 0 && <p className={styles['hint']}>{t('files.empty')}</p>}
      {isSearching && <Search onOpen={(path, line) => {
        if (line === null) tabs.open(path);
        else tabs.openAt(path, { line: line - 1, character: 0 });
        onOpen();
      }} />}
      {!isSearching && FileTree && <FileTree listed={listed.entries} expanded={expanded} onExpand={setExpanded} active={active} hidden={hidden} onOpen={open} onAct={act} onMove={move} onBring={(sources, into) => { bring(gather(sources), into); }} />}
      {asking && <BringDialog bringing={asking.it} onClose={asking.close} />}
      {asked && <Dialogs asked={asked} acts={acts} onClose={() => { acts.reset(); setAsked(null); }} onOpen={onOpen} />}
    </section>
  );
}

function UploadMenu({ onFiles }: { onFiles: (files: Iterable<File>) => void }) {
  const t = useText();
  const files = useRef<HTMLInputElement>(null);
  const directory = useRef<HTMLInputElement>(null);
  const choose = ({ target }: ChangeEvent<HTMLInputElement>) => {
    onFiles([...(target.files ?? [])]);
    target.value = '';
  };
  return (
    <>
      <input ref={files} type="file" multiple hidden onChange={choose} />
      <input ref={directory} type="file" webkitdirectory="" hidden onChange={choose} />
      <Menu
        label={t('files.bring')}
        trigger={<IconButton icon="upload" label={t('files.bring')} />}
        choices={[
          { id: 'files', label: t('files.upload'), icon: 'file' },
          { id: 'directory', label: t('files.uploadDirectory'), icon: 'folder' },
        ]}
        onChoose={(choice) => { (choice === 'files' ? files : directory).current?.click(); }}
      />
    </>
  );
}

function Search({ onOpen }: { onOpen: (path: string, line: number | null) => void }) {
  const FileSearch = useLoaded(loadSearch);
  return FileSearch && <FileSearch onOpen={onOpen} />;
}

/** Moves a file or folder, saved before, and goes on with the files of it that are open. */
async function moved({ session, tabs }: Pick<Workspace, 'session' | 'tabs'>, from: string, to: string): Promise<void> {
  const isIn = (path: string) => path === from || path.startsWith(`${from}/`);
  const wereOpen = tabs.snapshot().tabs.filter(({ path }) => isIn(path)).map(({ path }) => path);
  await tabs.flush();
  await moveFile(session.id, from, to);
  tabs.drop(from);
  for (const path of wereOpen) tabs.open(to + path.slice(from.length));
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
        acts.mutate(() => moved({ session, tabs }, from, to));
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
