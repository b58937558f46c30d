import { Button as AriaButton, Tree, TreeItem, TreeItemContent, type Key, type Selection } from 'react-aria-components';
import type { ReactNode } from 'react';
import type { FileEntry } from '../../api/files';
import { useText } from '../../i18n/text';
import type { Source } from '../../workspace/brought';
import { baseOf, shown } from '../../workspace/names';
import { useFileDrag } from '../../hooks/use-file-drag';
import { IconButton } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { Menu } from '../../ui/Menu';
import styles from './FileTree.module.css';

export type FileAct = 'rename' | 'download' | 'delete';

type Listed = ReadonlyMap<string, readonly FileEntry[] | undefined>;
type Props = {
  listed: Listed;
  expanded: ReadonlySet<string>;
  onExpand: (paths: ReadonlySet<string>) => void;
  active: string | null;
  /** Whether names that begin with a dot are shown. */
  hidden: 'shown' | 'left-out';
  onOpen: (entry: FileEntry) => void;
  onAct: (act: FileAct, entry: FileEntry) => void;
  onMove: (path: string, folder: string) => void;
  onBring: (sources: readonly Source[], folder: string) => void;
};

export function FileTree({ listed, expanded, onExpand, active, hidden, onOpen, onAct, onMove, onBring }: Props) {
  const t = useText();
  const find = (key: Key) => [...listed.values()].flatMap((entries) => entries ?? []).find(({ path }) => path === key);
  const act = (key: Key) => {
    const entry = find(key);
    if (!entry) return;
    if (entry.kind === 'directory') onExpand(toggled(expanded, entry.path));
    onOpen(entry);
  };
  const dragAndDropHooks = useFileDrag(find, { onMove, onBring });
  const selected: Selection = new Set(active === null ? [] : [active]);
  return (
    <Tree
      aria-label={t('files.title')}
      className={styles['tree'] ?? ''}
      dragAndDropHooks={dragAndDropHooks}
      selectionMode="single"
      selectionBehavior="replace"
      selectedKeys={selected}
      expandedKeys={expanded}
      onExpandedChange={(keys) => { onExpand(new Set([...keys].map(String))); }}
      onSelectionChange={(keys) => { if (keys !== 'all') for (const key of keys) act(key); }}
      onAction={act}
    >
      {rows(listed, '', { hidden, onAct })}
    </Tree>
  );
}

function rows(listed: Listed, folder: string, how: Pick<Props, 'hidden' | 'onAct'>): ReactNode[] {
  return (listed.get(folder) ?? []).filter(({ path }) => how.hidden === 'shown' || !baseOf(path).startsWith('.')).map((entry) => (
    <TreeItem key={entry.path} id={entry.path} textValue={shown(baseOf(entry.path))} className={styles['item'] ?? ''} hasChildItems={entry.kind === 'directory'}>
      <TreeItemContent>
        <Row entry={entry} onAct={how.onAct} />
      </TreeItemContent>
      {entry.kind === 'directory' ? rows(listed, entry.path, how) : []}
    </TreeItem>
  ));
}

function Row({ entry, onAct }: { entry: FileEntry; onAct: Props['onAct'] }) {
  const t = useText();
  const name = shown(baseOf(entry.path));
  return (
    <div className={styles['row']}>
      {entry.kind === 'directory' ? (
        <AriaButton slot="chevron" className={styles['chevron'] ?? ''}>
          <Icon name="chevron" size={14} />
        </AriaButton>
      ) : (
        <span className={styles['gap']} />
      )}
      <Icon name={entry.kind === 'directory' ? 'folder' : 'file'} size={16} />
      <span className={styles['name']}>{name}</span>
      <AriaButton slot="drag" className={styles['drag'] ?? ''} aria-label={t('files.drag', { name })}>
        <Icon name="menu" size={14} />
      </AriaButton>
      <span className={styles['more']}>
        <Menu
          label={t('files.more', { name })}
          trigger={<IconButton icon="more" label={t('files.more', { name })} />}
          choices={[
            { id: 'rename', label: t('files.rename'), icon: 'pencil' },
            { id: 'download', label: t('files.download'), icon: 'download' },
            { id: 'delete', label: t('files.delete'), icon: 'trash', danger: true },
          ]}
          onChoose={(act) => { onAct(act, entry); }}
        />
      </span>
    </div>
  );
}

function toggled(paths: ReadonlySet<string>, path: string): ReadonlySet<string> {
  const changed = new Set(paths);
  if (!changed.delete(path)) changed.add(path);
  return changed;
}
