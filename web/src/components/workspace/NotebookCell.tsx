import { memo, type ReactNode } from 'react';
import { useText } from '../../i18n/text';
import { IconButton } from '../../ui/Button';
import { Menu } from '../../ui/Menu';
import { bytesOfBase64, textOf } from '../../workspace/nbformat';
import { folderOf, joined } from '../../workspace/names';
import type { CellView } from '../../workspace/notebook';
import { CellEditor } from './CellEditor';
import { CellOutputs } from './CellOutputs';
import { FilePicture } from './FilePicture';
import { Markdown } from './Markdown';
import { Medium } from './Medium';
import styles from './Notebook.module.css';

export type CellAct = 'run' | 'up' | 'down' | 'above' | 'below' | 'become-code' | 'become-markdown' | 'delete';
type Props = {
  cell: CellView;
  place: { readonly path: string; readonly number: number; readonly count: number; readonly code: string };
  isSelected: boolean;
  /** Of a text: whether it is being written, and not shown. */
  isWritten: boolean;
  on: { readonly type: (key: number, source: string) => void; readonly act: (key: number, act: CellAct) => void; readonly write: (key: number) => void; readonly look: (key: number) => void };
};

/** A cell: what it says, and what came of it. Keys are the notebook's affair. */
export const NotebookCell = memo(function NotebookCell({ cell, place, isSelected, isWritten, on }: Props) {
  const t = useText();
  const { key, kind, source, state, outputs } = cell;
  const label = t(kind === 'code' ? 'notebook.cell.code' : 'notebook.cell.text', { number: place.number, count: place.count });
  const isShown = kind === 'markdown' && !isWritten;
  return (
    // A cell has the focus while keys are commands, as in Jupyter.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div data-cell={key} role="group" aria-label={label} aria-current={isSelected ? 'true' : undefined} tabIndex={isSelected ? 0 : -1} className={[styles['cell'], isSelected ? styles['selected'] : ''].join(' ')} onFocus={() => { on.look(key); }} onDoubleClick={() => { if (isShown) on.write(key); }}>
      <div className={styles['margin']}>
        {kind === 'code' && <IconButton icon="play" label={t('notebook.run')} onPress={() => { on.act(key, 'run'); }} />}
        {kind === 'code' && <Count cell={cell} />}
      </div>
      <div className={styles['body']}>
        {isShown ? <Shown cell={cell} path={place.path} /> : <CellEditor key={kind} source={source} path={kind === 'code' ? place.code : kind === 'markdown' ? 'x.md' : 'x'} label={t('notebook.source', { cell: label })} isFocused={isWritten} onEdit={(source) => { on.type(key, source); }} />}
        {outputs.length > 0 && <div className={styles['outputs']} role="group" aria-label={t('notebook.outputs', { cell: label })}><CellOutputs outputs={outputs} /></div>}
        {state === 'running' && <span className={styles['busy']} role="status">{t('run.running')}</span>}
      </div>
      <CellMenu cell={cell} label={label} onAct={(act) => { on.act(key, act); }} />
    </div>
  );
});

function Count({ cell }: { cell: CellView }) {
  const t = useText();
  if (cell.state !== 'idle') return <span className={styles['count']} aria-label={t(`notebook.${cell.state}`)} role="img">[*]</span>;
  return cell.count === null ? null : <span className={styles['count']}>[{cell.count}]</span>;
}

function CellMenu({ cell, label, onAct }: { cell: CellView; label: string; onAct: (act: CellAct) => void }) {
  const t = useText();
  const other = cell.kind === 'code' ? 'become-markdown' : 'become-code';
  return (
    <div className={styles['more']}>
      <Menu
        label={t('files.more', { name: label })}
        trigger={<IconButton icon="more" label={t('files.more', { name: label })} />}
        choices={[
          { id: 'above', label: t('notebook.above'), icon: 'add' },
          { id: 'below', label: t('notebook.below'), icon: 'add' },
          { id: 'up', label: t('notebook.up') },
          { id: 'down', label: t('notebook.down') },
          { id: other, label: t(`notebook.${other}`) },
          { id: 'delete', label: t('notebook.delete'), icon: 'trash', danger: true },
        ] satisfies { id: CellAct; label: string; icon?: 'add' | 'trash'; danger?: boolean }[]}
        onChoose={onAct}
      />
    </div>
  );
}

function Shown({ cell, path }: { cell: CellView; path: string }) {
  const t = useText();
  if (cell.source.trim() === '') return <p className={styles['hint']}>{t('notebook.empty')}</p>;
  return <Markdown text={cell.source} picture={(address, alt) => pictureOf(cell, path, address, alt)} />;
}

const DATA = /^data:(image\/(?:png|jpeg|gif|webp));base64,(.*)$/s;

/** A picture of the notebook itself or of a file beside it. Others would tell strangers who reads, and the page's policy refuses them. */
function pictureOf(cell: CellView, path: string, address: string, alt: string): ReactNode {
  const [, mime, data] = DATA.exec(address) ?? attachment(cell, address) ?? [];
  const bytes = data === undefined ? null : bytesOfBase64(data);
  if (mime !== undefined && bytes) return <Medium mime={mime} bytes={bytes} alt={alt} />;
  if (/^[a-z][a-z0-9+.-]*:|^\/|(?:^|\/)\.\.(?:\/|$)/i.test(address)) return `${alt} (${address})`;
  return <FilePicture path={joined(folderOf(path), address)} />;
}

function attachment(cell: CellView, address: string): readonly [string, string, string] | null {
  const { attachments } = cell.rest;
  if (!address.startsWith('attachment:') || typeof attachments !== 'object' || attachments === null) return null;
  const found: unknown = Object.entries(attachments).find(([name]) => name === address.slice('attachment:'.length))?.[1];
  if (typeof found !== 'object' || found === null) return null;
  const [mime, data] = Object.entries(found).find(([mime]) => /^image\/(?:png|jpeg|gif|webp)$/.test(mime)) ?? [];
  return mime === undefined ? null : ['', mime, textOf(data)];
}
