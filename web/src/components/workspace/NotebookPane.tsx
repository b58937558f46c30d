import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore, type KeyboardEvent } from 'react';
import { errorOf } from '../../api/problem';
import { useText } from '../../i18n/text';
import { Button } from '../../ui/Button';
import type { Notebook } from '../../workspace/notebook';
import { notebookKey, type Command } from '../../workspace/notebook-keys';
import { useWorkspace } from '../../workspace/workspace';
import { ProblemNotice } from '../ProblemNotice';
import { InputLine } from './InputLine';
import { NotebookCell, type CellAct } from './NotebookCell';
import styles from './Notebook.module.css';

type Focus = { key: number; mode: 'command' | 'edit' };

/** A notebook: cells one below another, by the keys that people know from Jupyter. */
export function NotebookPane({ notebook, path }: { notebook: Notebook; path: string }) {
  const t = useText();
  const { language } = useWorkspace();
  const { cells, waiting, isRunning } = useSyncExternalStore(notebook.subscribe, notebook.snapshot);
  const place = useRef<HTMLDivElement>(null);
  const [selected, setSelected] = useState(cells[0]?.key ?? 0);
  const [written, setWritten] = useState<number | null>(null);
  const [problem, setProblem] = useState<Error | null>(null);
  const focus = useFocus(place);
  const at = Math.max(0, cells.findIndex(({ key }) => key === selected));
  const go = useCallback((to: Focus) => {
    setSelected(to.key);
    setWritten(to.mode === 'edit' ? to.key : null);
    focus(to);
  }, [focus]);
  const act = useCellActs(notebook, go);
  const failed = (error: unknown) => { setProblem(errorOf(error)); };
  const keys = (event: KeyboardEvent) => {
    const command = notebookKey(event);
    if (command === null) return;
    event.preventDefault();
    event.stopPropagation();
    if (command === 'interrupt') void notebook.stop().catch(failed);
    else obey(command, { notebook, at, go });
  };
  const on = useMemo(() => ({
    type: (key: number, source: string) => { notebook.type(key, source); },
    act,
    write: (key: number) => { go({ key, mode: 'edit' }); },
    look: setSelected,
  }), [notebook, act, go]);
  const code = `x.${language?.extensions[0] ?? 'txt'}`;
  return (
    <div className={styles['pane']}>
      <div className={styles['tools']} role="toolbar" aria-label={t('notebook.tools')}>
        <Button small icon="add" onPress={() => { go({ key: notebook.add(at + 1, 'code'), mode: 'edit' }); }}>{t('notebook.addCode')}</Button>
        <Button small icon="add" onPress={() => { go({ key: notebook.add(at + 1, 'markdown'), mode: 'edit' }); }}>{t('notebook.addText')}</Button>
        <Button small look="quiet" icon="refresh" onPress={() => { void notebook.restart().catch(failed); }}>{t('notebook.restart')}</Button>
        <Button small look="quiet" isDisabled={isRunning} onPress={() => { notebook.clear(); }}>{t('notebook.clear')}</Button>
      </div>
      <ProblemNotice error={problem} action={<Button small onPress={() => { setProblem(null); }}>{t('app.close')}</Button>} />
      <div ref={place} className={styles['cells']} onKeyDownCapture={keys}>
        {cells.map((cell, index) => (
          <NotebookCell key={cell.key} cell={cell} place={{ path, number: index + 1, count: cells.length, code }} isSelected={index === at} isWritten={written === cell.key} on={on} />
        ))}
        <p className={styles['keys']}>{t('notebook.keys')}</p>
      </div>
      {waiting && <InputLine waiting={waiting} onLine={(line) => notebook.write(line).catch(failed)} onEnd={() => notebook.end().catch(failed)} onFocusLost={() => { go({ key: selected, mode: 'command' }); }} />}
    </div>
  );
}

/** Puts the focus onto a cell or into its text, once it is there. */
function useFocus(place: { readonly current: HTMLElement | null }) {
  const [wanted, setWanted] = useState<Focus | null>(null);
  useEffect(() => {
    if (!wanted) return;
    const cell = place.current?.querySelector<HTMLElement>(`[data-cell="${String(wanted.key)}"]`);
    const text = wanted.mode === 'edit' ? cell?.querySelector<HTMLElement>('.cm-content') : null;
    (text ?? cell)?.focus();
    cell?.scrollIntoView({ block: 'nearest' });
  }, [wanted, place]);
  return setWanted;
}

type Go = (to: Focus) => void;

function useCellActs(notebook: Notebook, go: Go): (key: number, act: CellAct) => void {
  return useCallback((key, act) => {
    const at = notebook.snapshot().cells.findIndex((cell) => cell.key === key);
    switch (act) {
      case 'run':
        notebook.run([key]);
        break;
      case 'up':
      case 'down':
        notebook.move(key, act === 'up' ? -1 : 1);
        go({ key, mode: 'command' });
        break;
      case 'above':
      case 'below':
        go({ key: notebook.add(act === 'above' ? at : at + 1, 'code'), mode: 'edit' });
        break;
      case 'become-code':
      case 'become-markdown':
        notebook.become(key, act === 'become-code' ? 'code' : 'markdown');
        go({ key, mode: 'command' });
        break;
      case 'delete':
        removeAt(notebook, at, go);
        break;
    }
  }, [notebook, go]);
}

function removeAt(notebook: Notebook, at: number, go: Go): void {
  const key = notebook.snapshot().cells[at]?.key;
  if (key === undefined) return;
  notebook.remove(key);
  const { cells } = notebook.snapshot();
  const next = cells[Math.min(at, cells.length - 1)];
  if (next) go({ key: next.key, mode: 'command' });
}

function obey(command: Exclude<Command, 'interrupt'>, { notebook, at, go }: { notebook: Notebook; at: number; go: Go }): void {
  const { cells } = notebook.snapshot();
  const cell = cells[at];
  if (!cell) return;
  const select = (index: number) => { go({ key: (cells[index] ?? cell).key, mode: 'command' }); };
  switch (command) {
    case 'run':
      notebook.run([cell.key]);
      return select(at);
    case 'run-next':
      notebook.run([cell.key]);
      return at + 1 < cells.length ? select(at + 1) : go({ key: notebook.add(at + 1, 'code'), mode: 'edit' });
    case 'run-insert':
      notebook.run([cell.key]);
      return go({ key: notebook.add(at + 1, 'code'), mode: 'edit' });
    case 'edit':
      return go({ key: cell.key, mode: 'edit' });
    case 'leave':
      return select(at);
    case 'next':
      return select(at + 1);
    case 'previous':
      return select(at - 1);
    case 'above':
      return go({ key: notebook.add(at, 'code'), mode: 'command' });
    case 'below':
      return go({ key: notebook.add(at + 1, 'code'), mode: 'command' });
    case 'delete':
      return removeAt(notebook, at, go);
    case 'undelete': {
      const key = notebook.restore();
      if (key !== null) go({ key, mode: 'command' });
      return;
    }
    case 'code':
    case 'markdown':
      notebook.become(cell.key, command);
      return select(at);
    case 'up':
    case 'down':
      notebook.move(cell.key, command === 'up' ? -1 : 1);
      return go({ key: cell.key, mode: 'command' });
  }
}
