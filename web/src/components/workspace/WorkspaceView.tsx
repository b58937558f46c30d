import { useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { writeFile } from '../../api/files';
import { filesQuery } from '../../api/queries';
import type { Simulation } from '../../board/simulation';
import { useText, type MessageId } from '../../i18n/text';
import { useCommands } from '../../hooks/use-commands';
import { useLoaded } from '../../hooks/use-loaded';
import type { IconName } from '../../ui/Icon';
import { Icon } from '../../ui/Icon';
import { starter } from '../../workspace/starter';
import { useWorkspace, type Workspace } from '../../workspace/workspace';
import type { Command } from './CommandPalette';
import { EditorPane } from './EditorPane';
import { FilesPane } from './FilesPane';
import { OutputPane } from './OutputPane';
import { useRun, WorkspaceBar } from './WorkspaceBar';
import styles from './WorkspaceView.module.css';

type Side = 'board' | 'output' | 'terminal' | 'preview' | 'history';
type Pane = 'files' | 'code' | Side;

const isSide = (pane: Pane): pane is Side => pane !== 'files' && pane !== 'code';

const PANES: readonly { id: Pane; icon: IconName; label: MessageId }[] = [
  { id: 'files', icon: 'folder', label: 'files.title' },
  { id: 'code', icon: 'code', label: 'editor.region' },
  { id: 'output', icon: 'output', label: 'output.title' },
  { id: 'terminal', icon: 'terminal', label: 'terminal.title' },
  { id: 'preview', icon: 'preview', label: 'preview.title' },
  { id: 'history', icon: 'history', label: 'history.title' },
];

/** Where sketches run on a board, that is looked at first; nothing of theirs listens anywhere. */
const BOARD_PANES: typeof PANES = PANES.flatMap((pane) => (pane.id === 'preview' ? [] : pane.id === 'output' ? [{ id: 'board', icon: 'board', label: 'board.title' } as const, pane] : [pane]));

export function WorkspaceView() {
  const t = useText();
  const workspace = useWorkspace();
  const [pane, setPane] = useState<Pane>('code');
  const { board } = workspace;
  const panes = board ? BOARD_PANES : PANES;
  const [side, setSide] = useState<Side>(board ? 'board' : 'output');
  const [seen, setSeen] = useState<ReadonlySet<Side>>(new Set());
  if (!seen.has(side)) setSeen(new Set([...seen, side]));
  const view = useRef<HTMLDivElement>(null);
  const look = (pane: Pane) => {
    setPane(pane);
    if (isSide(pane)) setSide(pane);
  };
  const run = useRun(() => { look(board ? 'board' : 'output'); }, () => { look('output'); });
  const [over, setOver] = useState<Over | null>(null);
  const commands = useCommands({ run, panes, look, sheet: () => { setOver('shortcuts'); } });
  useOverKeys(setOver);
  useBeginning(workspace);
  useLeaving(workspace);
  const keys = (event: KeyboardEvent) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') {
      event.preventDefault();
      run.start();
    } else if ((event.ctrlKey || event.metaKey) && event.key === 's') {
      event.preventDefault();
      void workspace.tabs.flush();
    } else if (event.key === 'F6') {
      event.preventDefault();
      nextPane(view.current, event.shiftKey);
    }
  };
  return (
    // Shortcuts of whatever inside has the focus.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div ref={view} className={styles['workspace']} data-pane={pane} onKeyDown={keys}>
      <WorkspaceBar run={run} onCommands={() => { setOver('palette'); }} />
      <div className={styles['files']} data-part>
        <FilesPane onOpen={() => { look('code'); }} />
      </div>
      <div className={styles['code']} data-part>
        <EditorPane />
      </div>
      <section className={styles['side']} data-part aria-label={t('side.title')}>
        <div className={styles['switch']}>
          {panes.filter(({ id }) => isSide(id)).map(({ id, label }) => (
            <button key={id} type="button" aria-pressed={side === id} onClick={() => { look(id); }}>{t(label)}</button>
          ))}
        </div>
        {board && <div className={styles['sideBody']} hidden={side !== 'board'}><Board board={board} onCode={() => { look('code'); }} /></div>}
        <div className={styles['sideBody']} hidden={side !== 'output'}><OutputPane /></div>
        <div className={styles['sideBody']} hidden={side !== 'terminal'}>{seen.has('terminal') && <Terminals isShown={side === 'terminal'} />}</div>
        <div className={styles['sideBody']} hidden={side !== 'preview'}>{seen.has('preview') && <Preview isShown={side === 'preview'} />}</div>
        <div className={styles['sideBody']} hidden={side !== 'history'}>{seen.has('history') && <History isShown={side === 'history'} />}</div>
      </section>
      <nav className={styles['panes']} aria-label={t('panes.title')}>
        {panes.map(({ id, icon, label }) => (
          <button key={id} type="button" aria-current={pane === id ? 'true' : undefined} onClick={() => { look(id); }}>
            <Icon name={icon} size={20} />
            {t(label)}
          </button>
        ))}
      </nav>
      {over !== null && <Over over={over} commands={commands} onClose={() => { setOver(null); }} />}
    </div>
  );
}

// What is not looked at from the start is loaded when it is.
const loadBoard = async () => (await import('../board/BoardPane')).BoardPane;
const loadPreview = async () => (await import('./PreviewPane')).PreviewPane;
const loadTerminals = async () => (await import('./TerminalPane')).TerminalPane;
const loadHistory = async () => (await import('./HistoryPane')).HistoryPane;
const loadPalette = async () => (await import('./CommandPalette')).CommandPalette;
const loadShortcuts = async () => (await import('./ShortcutsDialog')).ShortcutsDialog;

function Board(props: { board: Simulation; onCode: () => void }) {
  const BoardPane = useLoaded(loadBoard);
  return BoardPane && <BoardPane {...props} />;
}

function History({ isShown }: { isShown: boolean }) {
  const HistoryPane = useLoaded(loadHistory);
  return HistoryPane && <HistoryPane isShown={isShown} />;
}

function Terminals({ isShown }: { isShown: boolean }) {
  const TerminalPane = useLoaded(loadTerminals);
  return TerminalPane && <TerminalPane isShown={isShown} />;
}

function Preview({ isShown }: { isShown: boolean }) {
  const PreviewPane = useLoaded(loadPreview);
  return PreviewPane && <PreviewPane isShown={isShown} />;
}

type Over = 'palette' | 'shortcuts';

function Over({ over, commands, onClose }: { over: Over; commands: readonly Command[]; onClose: () => void }) {
  return over === 'palette' ? <Palette commands={commands} onClose={onClose} /> : <Shortcuts onClose={onClose} />;
}

function Palette(props: { commands: readonly Command[]; onClose: () => void }) {
  const CommandPalette = useLoaded(loadPalette);
  return CommandPalette && <CommandPalette {...props} />;
}

function Shortcuts({ onClose }: { onClose: () => void }) {
  const ShortcutsDialog = useLoaded(loadShortcuts);
  return ShortcutsDialog && <ShortcutsDialog onClose={onClose} />;
}

/** The keys that open what stands over the workspace, wherever the focus is. */
function useOverKeys(open: (over: Over) => void): void {
  useEffect(() => {
    const keys = (event: globalThis.KeyboardEvent) => {
      const palette = event.key === 'F1' || ((event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === 'p');
      const sheet = event.key === '?' && !isTypedInto(event.target);
      if (!palette && !sheet) return;
      event.preventDefault();
      open(palette ? 'palette' : 'shortcuts');
    };
    document.addEventListener('keydown', keys);
    return () => { document.removeEventListener('keydown', keys); };
  }, [open]);
}

/** Whether what is typed there is a text. */
const isTypedInto = (target: EventTarget | null) => target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'));

const FOCUSABLE = '.cm-content, .xterm-helper-textarea, [role=treegrid], [role=log], button:not([disabled])';

/** Goes on to the next part of the workspace, or back, round and round. */
function nextPane(view: HTMLElement | null, back: boolean): void {
  const parts = [...(view?.querySelectorAll<HTMLElement>('[data-part]') ?? [])].filter((part) => part.offsetParent !== null);
  const at = parts.findIndex((part) => part.contains(document.activeElement));
  const next = parts[(at + (back ? parts.length - 1 : 1)) % parts.length];
  const shown = [...(next?.querySelectorAll<HTMLElement>(FOCUSABLE) ?? [])].filter((element) => element.closest('[hidden]') === null);
  const first = FOCUSABLE.split(', ').map((kind) => shown.find((element) => element.matches(kind))).find((element) => element !== undefined);
  first?.focus();
}

/** Opens what was open, or the first program, which is written where nothing is. */
function useBeginning({ session, language, tabs }: Workspace): void {
  const t = useText();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { first } = useSearch({ from: '/signed-in/w/$session' });
  const begun = useRef<unknown>(null);
  useEffect(() => {
    if (begun.current === tabs || !language) return;
    begun.current = tabs;
    const begin = async () => {
      if (tabs.restore()) return;
      const entries = await queries.fetchQuery(filesQuery(session.id, ''));
      const main = entries.find(({ path }) => path === language.main);
      if (!main && first) {
        await writeFile(session.id, language.main, starter(language, t('starter.hint')));
        await queries.invalidateQueries({ queryKey: ['files', session.id] });
      }
      if (main || first) tabs.open(language.main);
      if (first) await navigate({ to: '.', search: {}, replace: true });
    };
    // What cannot be read or written is said by the files' own pane.
    void begin().catch(() => undefined);
  }, [session.id, language, tabs, first, navigate, queries, t]);
}

/** Nothing typed is lost when the page goes away, and it does not go away unasked while the server has not got everything. */
function useLeaving({ tabs }: Workspace): void {
  useEffect(() => {
    const hide = () => {
      tabs.keepDrafts();
      if (document.visibilityState === 'hidden') void tabs.flush();
      else void tabs.look();
    };
    const ask = (event: BeforeUnloadEvent) => {
      tabs.keepDrafts();
      if (!tabs.isSafe) event.preventDefault();
    };
    document.addEventListener('visibilitychange', hide);
    window.addEventListener('pagehide', hide);
    window.addEventListener('beforeunload', ask);
    return () => {
      document.removeEventListener('visibilitychange', hide);
      window.removeEventListener('pagehide', hide);
      window.removeEventListener('beforeunload', ask);
    };
  }, [tabs]);
}
