import { useState, useSyncExternalStore } from 'react';
import { partsOf, type Part } from '../../board/diagram';
import { DIAGRAM } from '../../board/sketch';
import type { BoardShown, Simulation } from '../../board/simulation';
import { useText } from '../../i18n/board';
import { Button } from '../../ui/Button';
import { Notice } from '../../ui/Notice';
import { useRuns, useWorkspace } from '../../workspace/workspace';
import { ProblemText } from '../ProblemText';
import { UnoDrawing } from './Drawings';
import { PartCard, usePartName } from './PartCard';
import { AddPart, PartEditor } from './PartEditor';
import { SerialMonitor } from './SerialMonitor';
import { useDiagram } from './use-diagram';
import { useLedStates } from './use-led-states';
import styles from './Board.module.css';

const OWN_PIN = 13;
/** Slower than this is worth a word. */
const SLOW = 0.9;

/** The simulated board with what is wired to it, and its Serial. */
export function BoardPane({ board, onCode }: { board: Simulation; onCode: () => void }) {
  const t = useText();
  const { tabs } = useWorkspace();
  const shown = useSyncExternalStore(board.subscribe, board.snapshot);
  const { read, trouble, change } = useDiagram();
  const [isEdited, setEdited] = useState(false);
  const parts = read.kind === 'read' ? partsOf(read.diagram) : [];
  const own = Math.round((shown.pins[OWN_PIN]?.duty ?? 0) * 20);
  const open = () => {
    tabs.open(DIAGRAM);
    onCode();
  };
  return (
    <section className={styles['pane']} aria-label={t('board.region')}>
      <header className={styles['bar']}>
        <State shown={shown} parts={parts} />
        {read.kind === 'read' && <Button small look="quiet" icon={isEdited ? 'check' : 'pencil'} onPress={() => { setEdited(!isEdited); }}>{t(isEdited ? 'board.edit.done' : 'board.edit')}</Button>}
      </header>
      {read.kind === 'broken' && <Notice tone="danger" action={<Button small onPress={open}>{t('board.diagram.open')}</Button>}>{t('board.diagram.broken')} <ProblemText error={read.error} next="left-out" /></Notice>}
      {trouble && <Notice tone="warm">{t(trouble.id)}{trouble.id === 'board.diagram.failed' && <> <ProblemText error={trouble.error} /></>}</Notice>}
      <div className={styles['stage']}>
        <div role="img" className={styles['board']} aria-label={`${t('board.uno')}. ${t('board.led.state', { part: t('board.led.own'), state: t(own === 0 ? 'board.led.off' : 'board.led.on') })}`}>
          <UnoDrawing duty={own / 20} isOn={shown.state === 'running'} />
        </div>
        <ul className={styles['parts']} aria-label={t('board.parts')}>
          {parts.map((part) => (
            <PartCard key={part.id} part={part} board={board} seen={part.pin === null ? undefined : shown.pins[part.pin]}>
              {isEdited && <PartEditor part={part} onChange={change} />}
            </PartCard>
          ))}
        </ul>
        {read.kind === 'read' && isEdited && <AddPart parts={parts} count={read.diagram.parts.length} onChange={change} />}
      </div>
      <SerialMonitor board={board} text={shown.text} isRunning={shown.state === 'running'} />
    </section>
  );
}

function State({ shown, parts }: { shown: BoardShown; parts: readonly Part[] }) {
  const t = useText();
  const isCompiling = useRuns().some((run) => run.mode === 'batch' && run.outcome === null && run.problem === null);
  const seconds = Math.floor(shown.seconds);
  return (
    <div className={styles['states']}>
      <p className={styles['state']} data-state={shown.state}>
        {isCompiling ? t('board.state.compiling') : shown.state === 'off' ? t('board.state.off') : t(`board.state.${shown.state}`, { seconds })}
      </p>
      {shown.state === 'running' && shown.pace < SLOW && <p className={styles['note']}>{t('board.slow', { percent: Math.round(shown.pace * 100) })}</p>}
      <Told shown={shown} parts={parts} />
    </div>
  );
}

/** What readers are told of the LEDs: whether one blinks, not each blink. */
function Told({ shown, parts }: { shown: BoardShown; parts: readonly Part[] }) {
  const t = useText();
  const nameOf = usePartName();
  const leds = parts.flatMap((part) => (part.kind === 'led' && part.pin !== null ? [{ name: nameOf(part), pin: part.pin, isToPower: part.isToPower }] : []));
  const states = useLedStates(shown, [{ name: t('board.led.own'), pin: OWN_PIN, isToPower: false }, ...leds]);
  return <p className={styles['hidden']} role="status">{states.map(({ name, state }) => t('board.led.state', { part: name, state: t(`board.led.${state}`) })).join('. ')}</p>;
}
