import { useState } from 'react';
import { readText } from '../../api/files';
import { errorOf } from '../../api/problem';
import type { Simulation } from '../../board/simulation';
import { useText } from '../../i18n/text';
import { Button, IconButton } from '../../ui/Button';
import { Menu } from '../../ui/Menu';
import { Notice } from '../../ui/Notice';
import { PageHeading } from '../../ui/PageHeading';
import { compileFor, isSource, programOf, requestFor, ways, type Way } from '../../workspace/run-request';
import { baseOf, shown } from '../../workspace/names';
import { useBoardState, useIsRunning, useNotebook, useRuns, useTabs, useWorkspace } from '../../workspace/workspace';
import { ProblemNotice } from '../ProblemNotice';
import { SessionBadge } from '../SessionBadge';
import { SaveLine } from './EditorPane';
import { UsageMeter } from './UsageMeter';
import styles from './WorkspaceBar.module.css';

export type RunState = {
  /** Why nothing can be run now; none where something can. */
  refused: 'run.refused.none' | 'run.refused.language' | 'run.refused.session' | 'notebook.refused' | null;
  problem: Error | 'run.unsaved' | null;
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
  const { session, language, tabs, runs, board } = useWorkspace();
  const { active, tabs: open } = useTabs();
  const notebook = useNotebook(open.find(({ path }) => path === active));
  const cellsRun = useIsRunning(notebook);
  const fileRuns = useRuns().some((run) => run.outcome === null && run.problem === null);
  const boardRuns = useBoardState() === 'running';
  const [problem, setProblem] = useState<RunState['problem']>(null);
  const usual = language ? ways(language)[0] : undefined;
  const isOver = !session.allowed_actions?.includes('run');
  const refused = isOver ? 'run.refused.session' : notebook ? (language?.modes.includes('query') ? null : 'notebook.refused') : active === null ? 'run.refused.none' : !language || !usual || !isSource(language, active) ? 'run.refused.language' : null;
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
    onStart();
    if (board) {
      board.stop();
      const run = await runs.run(shown(baseOf(tab.path)), compileFor(tab.path, tab.file.text));
      if (run.outcome?.verdict === 'ok') await startBoard(board, session.id, programOf(tab.path)).catch((error: unknown) => { setProblem(errorOf(error)); });
      else onBroken();
    } else await runs.run(shown(baseOf(tab.path)), requestFor(way, tab.path, tab.file.text));
    await tabs.look();
  };
  return {
    refused,
    problem,
    isRunning: notebook ? cellsRun : fileRuns || boardRuns,
    isRestarted: notebook === null && boardRuns && !fileRuns,
    isNotebook: notebook !== null,
    start: (way = usual ?? 'afresh') => { if (refused === null && (notebook !== null || runs.live === null)) void start(way); },
    stop: () => {
      if (notebook === null && boardRuns) board?.stop();
      void (notebook ?? runs).stop().catch((error: unknown) => { setProblem(errorOf(error)); });
    },
  };
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
      {run.problem && <div className={styles['notice']}>{run.problem === 'run.unsaved' ? <Notice tone="danger">{t(run.problem)}</Notice> : <ProblemNotice error={run.problem} />}</div>}
    </div>
  );
}
