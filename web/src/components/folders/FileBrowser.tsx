import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef, useState, type DragEvent } from 'react';
import { encoded, joined, textOf, type FolderFiles } from '../../api/folder-files';
import { folderEntriesQuery, folderEntriesKey } from '../../api/folder-entries';
import { useUploads } from '../../hooks/use-uploads';
import { useText } from '../../i18n/console';
import { Button, IconButton } from '../../ui/Button';
import { TextField } from '../../ui/TextField';
import { droppedIn, gather, gatherChosen, taken, type Gathered } from '../../workspace/brought';
import { BringDialog, isAsked, type Bringing } from '../BringDialog';
import { Card } from '../console/Card';
import styles from '../console/console.module.css';
import { ProblemNotice } from '../ProblemNotice';
import { FileDialog, type FileDoing } from './FileDialogs';
import { FileTable } from './FileTable';
import { UploadList } from './UploadList';
import own from './folders.module.css';

type Props = { files: FolderFiles; path: string; onPath: (path: string) => void };

/** What is in a folder. `path` is percent-encoded, as the service of files says it. */
export function FileBrowser({ files, path, onPath }: Props) {
  const t = useText();
  const [find, setFind] = useState('');
  const [doing, setDoing] = useState<FileDoing | null>(null);
  const [isOver, setOver] = useState(false);
  const [bringing, setBringing] = useState<Bringing | null>(null);
  const [problem, setProblem] = useState<Error | null>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const directory = useRef<HTMLInputElement>(null);
  const queries = useQueryClient();
  const listing = useQuery(folderEntriesQuery(files, path, find));
  const again = () => { for (const key of [folderEntriesKey, 'folder', 'folder-quotas']) void queries.invalidateQueries({ queryKey: [key] }); };
  const { uploads, add, stop, clear } = useUploads(files, again);
  const into = textOf(path);
  // What is brought goes to a path that is text, as its own is.
  const mayWrite = files.may !== 'read' && into !== null;
  const entries = listing.data?.entries ?? [];
  /** What is there already, and what stays out, is asked about first. */
  const bring = async (gathering: Gathered | Promise<Gathered>) => {
    const gathered = await gathering;
    const list = async (directory: string) => new Set((await files.list(directory === '' ? path : joined(path, encoded(directory)))).entries.map(({ name }) => name));
    const replaced = await taken(gathered.files.map(({ path }) => path), list);
    const begin = () => {
      add(into ?? '', gathered.files, replaced);
      void makeAll(files, path, gathered.empty).then(again).catch(failed);
    };
    if (isAsked(gathered, replaced)) setBringing({ gathered, replaced, begin });
    else begin();
  };
  const failed = (error: unknown) => { setProblem(error instanceof Error ? error : new Error(String(error))); };
  const take = (gathering: Gathered | Promise<Gathered>) => {
    setProblem(null);
    void bring(gathering).catch(failed);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(gather(droppedIn(event.dataTransfer.items)));
  };
  return (
    <Card title={t('browse.title')} acts={<Acts mayWrite={mayWrite} onUpload={() => chooser.current?.click()} onDirectory={() => directory.current?.click()} onFolder={() => { setDoing({ what: 'directory', path }); }} onAgain={again} />}>
      <input ref={chooser} type="file" multiple hidden data-testid="upload" onChange={({ target }) => { take(gatherChosen(target.files ?? [])); target.value = ''; }} />
      <input ref={directory} type="file" webkitdirectory="" hidden data-testid="upload-directory" onChange={({ target }) => { take(gatherChosen(target.files ?? [])); target.value = ''; }} />
      <div className={styles['bar']}><TextField label={t('browse.find')} value={find} onChange={setFind} input={{ placeholder: '*.csv' }} /></div>
      <Path path={path} onPath={(path) => { setFind(''); onPath(path); }} />
      <ProblemNotice error={problem ?? listing.error} />
      <div className={[own['drop'], isOver ? own['over'] : ''].join(' ')} {...(mayWrite ? { onDragOver: (event: DragEvent) => { event.preventDefault(); setOver(true); }, onDragLeave: () => { setOver(false); }, onDrop } : {})}>
        {isOver && <p className={styles['fine']}>{t('browse.drop')}</p>}
        {find !== '' && listing.data && <p className={styles['fine']} role="status">{t('browse.found', { count: entries.length })}</p>}
        {find === '' && listing.data && entries.length === 0 && <p className={styles['empty']}>{t(mayWrite ? 'browse.empty' : 'browse.empty.read')}</p>}
        {entries.length > 0 && <FileTable entries={entries} isFound={find !== ''} files={files} onPath={(path) => { setFind(''); onPath(path); }} onDo={setDoing} />}
        {listing.data && !listing.data.isWhole && <p className={styles['fine']}>{t('browse.partial', { count: entries.length })}</p>}
        {listing.isPending && <p className={styles['fine']}>{t('app.loading')}</p>}
      </div>
      <UploadList uploads={uploads} onStop={stop} onClear={clear} />
      {bringing && <BringDialog bringing={bringing} onClose={() => { setBringing(null); }} />}
      {doing && <FileDialog doing={doing} files={files} onClose={() => { setDoing(null); }} />}
    </Card>
  );
}

/** Directories with nothing in them: no upload makes those. */
async function makeAll(files: FolderFiles, path: string, directories: readonly string[]): Promise<void> {
  for (const directory of directories) await files.haveDirectory(joined(path, encoded(directory)));
}

function Acts({ mayWrite, onUpload, onDirectory, onFolder, onAgain }: { mayWrite: boolean; onUpload: () => void; onDirectory: () => void; onFolder: () => void; onAgain: () => void }) {
  const t = useText();
  return (
    <span className={styles['acts']}>
      {mayWrite && <Button small icon="upload" onPress={onUpload}>{t('files.upload')}</Button>}
      {mayWrite && <Button small icon="upload" onPress={onDirectory}>{t('files.uploadDirectory')}</Button>}
      {mayWrite && <Button small icon="folder" onPress={onFolder}>{t('files.newFolder')}</Button>}
      <IconButton icon="refresh" label={t('files.refresh')} onPress={onAgain} />
    </span>
  );
}

/** Where one is: each directory above leads there. */
function Path({ path, onPath }: { path: string; onPath: (path: string) => void }) {
  const t = useText();
  const parts = path === '' ? [] : path.split('/');
  return (
    <nav aria-label={t('browse.path')} className={own['path']}>
      <button type="button" onClick={() => { onPath(''); }}>{t('browse.top')}</button>
      {parts.map((part, index) => {
        const here = parts.slice(0, index + 1).reduce(joined, '');
        return (
          <span key={here}>
            {'/'}
            <button type="button" aria-current={index === parts.length - 1 ? 'page' : undefined} onClick={() => { onPath(here); }}>{textOf(part) ?? part}</button>
          </span>
        );
      })}
    </nav>
  );
}

