import { useEffect, useRef, useState } from 'react';
import { readText } from '../../api/files';
import { errorOf } from '../../api/problem';
import type { Simulation } from '../../board/simulation';
import { DIAGRAM, sketchBeside } from '../../board/sketch';
import { useText } from '../../i18n/text';
import { Button, IconButton } from '../../ui/Button';
import { Menu } from '../../ui/Menu';
import { Notice } from '../../ui/Notice';
import { PageHeading } from '../../ui/PageHeading';
import { compileFor, isSource, programOf, requestFor, ways, type Way } from '../../workspace/run-request';
import { baseOf, shown } from '../../workspace/names';
import type { Tab } from '../../workspace/tabs';
import { useBoardState, useIsRunning, useNotebook, useRuns, useTabs, useWorkspace, type Workspace } from '../../workspace/workspace';
import { ProblemNotice } from '../ProblemNotice';
import { SessionBadge } from '../SessionBadge';
import { SaveLine } from './EditorPane';
import { UsageMeter } from './UsageMeter';
import styles from './WorkspaceBar.module.css';

export type RunState = {
  /** Why nothing can be run now; none where something can. */
  refused: 'run.refused.none' | 'run.refused.language' | 'run.refused.session' | 'notebook.refused' | null;
  problem: Error | 'run.unsaved' | 'run.sketchless' | null;
  isRunning: boolean;
  /** Running again begins anew, without stopping first: a board is switched off and on. */
  isRestarted: boolean;
  /** Cells run, all of them, and not a file. */
  isNotebook: boolean;
  start: (way?: Way) => void;
  stop: () => void;
};

/** Runs the file that is looked at: saved first, so that what runs is what is there. */
export function useRun(onStart: () => void, onBroken: () => void): RunState {
  const workspace = useWorkspace();
  const { session, language, tabs, runs, board } = workspace;
  const { active, tabs: open } = useTabs();
  const looked = useLooked(active);
  const notebook = useNotebook(open.find(({ path }) => path === active));
  const cellsRun = useIsRunning(notebook);
  const fileRuns = useRuns().some((run) => run.outcome === null && run.problem === null);
  const boardRuns = useBoardState() === 'running';
  const [problem, setProblem] = useState<RunState['problem']>(null);
  const usual = language ? ways(language)[0] : undefined;
  const isOver = !session.allowed_actions?.includes('run');
  const refused = isOver ? 'run.refused.session' : notebook ? (language?.modes.includes('query') ? null : 'notebook.refused') : active === null ? 'run.refused.none' : !language || !usual || !(isSource(language, active) || (board && active === DIAGRAM)) ? 'run.refused.language' : null;
  const start = async (way: Way) => {
    if (notebook) {
      notebook.runAll();
      return;
    }
    setProblem(null);
    const tab = tabs.current;
    if (!tab) return;
    if (!(await tabs.flush())) {
      setProblem('run.unsaved');
      return;
    }
    const program = await programIn(tab, workspace, looked.current);
    if (!program) {
      setProblem('run.sketchless');
      return;
    }
    onStart();
    if (board) {
      board.stop();
      const run = await runs.run(shown(baseOf(program.path)), compileFor(program.path, program.text));
      if (run.outcome?.verdict === 'ok') await startBoard(board, session.id, programOf(program.path)).catch((error: unknown) => { setProblem(errorOf(error)); });
      else onBroken();
    } else await runs.run(shown(baseOf(program.path)), requestFor(way, program.path, program.text));
    await tabs.look();
  };
  return {
    refused,
    problem,
    isRunning: notebook ? cellsRun : fileRuns || boardRuns,
    isRestarted: notebook === null && boardRuns && !fileRuns,
    isNotebook: notebook !== null,
    start: (way = usual ?? 'afresh') => { if (refused === null && (notebook !== null || runs.live === null)) void start(way).catch((error: unknown) => { setProblem(errorOf(error)); }); },
    stop: () => {
      if (notebook === null && boardRuns) board?.stop();
      void (notebook ?? runs).stop().catch((error: unknown) => { setProblem(errorOf(error)); });
    },
  };
}

/** The files that were looked at, the last one first. */
function useLooked(active: string | null) {
  const looked = useRef<readonly string[]>([]);
  useEffect(() => {
    if (active !== null) looked.current = [active, ...looked.current.filter((path) => path !== active)];
  }, [active]);
  return looked;
}

/** What runs while this file is looked at: itself, or the sketch that a diagram belongs to. Everything is saved by now. */
async function programIn({ path, file }: Tab, { session, language, board, tabs }: Workspace, looked: readonly string[]): Promise<{ path: string; text: string } | null> {
  if (!board || !language || path !== DIAGRAM) return { path, text: file.text };
  const sketch = await sketchBeside({ session: session.id, language, looked: [...looked, ...tabs.snapshot().tabs.map((tab) => tab.path)] });
  const read = sketch === null ? null : await readText(session.id, sketch);
  return sketch !== null && read?.kind === 'text' ? { path: sketch, text: read.text } : null;
}

/** Begins what was just compiled. A guest's program may have put anything there instead. */
async function startBoard(board: Simulation, session: string, program: string): Promise<void> {
  const file = await readText(session, program);
  if (file.kind !== 'text') throw new Error(`${shown(program)}: ${file.kind}`);
  try {
    board.start(file.text);
  } catch (error) {
    throw new Error(`${shown(program)}: ${errorOf(error).message}`, { cause: error });
  }
}

export function WorkspaceBar({ run, onCommands }: { run: RunState; onCommands: () => void }) {
  const t = useText();
  const { session, language } = useWorkspace();
  const choices = language ? ways(language) : [];
  return (
    <div className={styles['bar']}>
      <div className={styles['row']}>
        <PageHeading className={styles['name']}>{session.name}</PageHeading>
        {session.state !== 'running' && <SessionBadge state={session.state} />}
        <span className={styles['language']}>{language?.name ?? session.image}</span>
        <span className={styles['space']} />
        <SaveLine />
        {run.isRestarted && <Button icon="refresh" isDisabled={run.refused !== null} onPress={() => { run.start(); }} aria-keyshortcuts="Control+Enter">{t('run.again')}</Button>}
        {run.isRunning ? (
          <Button look="danger" icon="stop" onPress={run.stop}>{t('run.stop')}</Button>
        ) : (
          <Button look="primary" icon="play" isDisabled={run.refused !== null} onPress={() => { run.start(); }} aria-keyshortcuts="Control+Enter">{t(run.isNotebook ? 'notebook.runAll' : 'run.start')}</Button>
        )}
        {choices.length > 1 && !run.isNotebook && (
          <Menu
            label={t('run.how')}
            trigger={<IconButton icon="more" label={t('run.how')} isDisabled={run.refused !== null || run.isRunning} />}
            choices={choices.map((id) => ({ id, label: t(`run.way.${id}`) }))}
            onChoose={(way) => { run.start(way); }}
          />
        )}
        <IconButton icon="search" label={t('palette.open')} aria-keyshortcuts="Control+Shift+P F1" onPress={onCommands} />
      </div>
      <UsageMeter />
      {run.refused && <p className={[styles['notice'], styles['why']].join(' ')}>{t(run.refused)}</p>}
      {run.problem && <div className={styles['notice']}>{typeof run.problem === 'string' ? <Notice tone="danger">{t(run.problem)}</Notice> : <ProblemNotice error={run.problem} />}</div>}
    </div>
  );
}
