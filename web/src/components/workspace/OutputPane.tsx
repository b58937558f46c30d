import { memo, useEffect, useRef } from 'react';
import { Button as AriaButton } from 'react-aria-components';
import type { Schema } from '../../api/client';
import { useText } from '../../i18n/text';
import { Badge, type BadgeTone } from '../../ui/Badge';
import type { Piece, Run } from '../../workspace/runs';
import { useRuns, useWorkspace } from '../../workspace/workspace';
import { ProblemText } from '../ProblemText';
import { InputLine } from './InputLine';
import { Medium } from './Medium';
import styles from './OutputPane.module.css';

const VERDICTS: Readonly<Record<Schema['Verdict'], BadgeTone>> = {
  ok: 'good',
  'nonzero-exit': 'bad',
  signaled: 'bad',
  'compile-error': 'bad',
  'time-limit': 'bad',
  'memory-limit': 'bad',
  'output-limit': 'bad',
  'process-limit': 'bad',
  'denied-syscall': 'bad',
  cancelled: 'still',
  'internal-error': 'bad',
};

/** What was run from this page, and what it said. */
export function OutputPane() {
  const t = useText();
  const { runs } = useWorkspace();
  const list = useRuns();
  const end = useRef<HTMLDivElement>(null);
  const log = useRef<HTMLDivElement>(null);
  const live = list.find((run) => run.outcome === null && run.problem === null);
  const grown = list.at(-1)?.pieces;
  useEffect(() => { end.current?.scrollIntoView({ block: 'end' }); }, [list.length, grown]);
  if (list.length === 0) return <p className={styles['empty']}>{t('output.empty')}</p>;
  return (
    <div className={styles['output']}>
      {/* Scrolls, so the keyboard must reach it. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div ref={log} className={styles['runs']} role="log" aria-label={t('output.title')} tabIndex={0}>
        {list.map((run) => (
          <RunBlock key={run.key} run={run} />
        ))}
        <div ref={end} />
      </div>
      {live ? (
        <InputLine waiting={live.waiting} onLine={(line) => runs.write(line)} onEnd={() => runs.endInput()} onFocusLost={() => { log.current?.focus({ preventScroll: true }); }} />
      ) : (
        <div className={styles['foot']}>
          <AriaButton className={styles['clear'] ?? ''} onPress={() => { runs.clear(); }}>{t('output.clear')}</AriaButton>
        </div>
      )}
    </div>
  );
}

const RunBlock = memo(function RunBlock({ run }: { run: Run }) {
  const t = useText();
  return (
    <article className={styles['run']} aria-label={run.title}>
      <header className={styles['head']}>
        <span className={styles['title']}>{run.title}</span>
        <RunState run={run} />
      </header>
      {run.dropped > 0 && <p className={styles['note']}>{t('output.dropped', { count: run.dropped })}</p>}
      {run.pieces.map((piece, at) => (
        // Pieces are only ever added at the end.
        <PieceView key={at} piece={piece} />
      ))}
      {run.problem && <p className={styles['problem']} role="alert"><ProblemText error={run.problem} /></p>}
      {run.outcome && <Ending outcome={run.outcome} />}
    </article>
  );
}, (before, after) => before.run.pieces === after.run.pieces && before.run.outcome === after.run.outcome && before.run.problem === after.run.problem && before.run.id === after.run.id && before.run.step === after.run.step);

function RunState({ run }: { run: Run }) {
  const t = useText();
  if (run.problem) return <Badge tone="bad">{t('run.failed')}</Badge>;
  if (run.outcome) {
    // What an interpreter makes of an interrupt is no failure to whoever asked for it.
    const verdict = run.isStopped && run.outcome.verdict !== 'ok' ? 'cancelled' : run.outcome.verdict;
    return <Badge tone={VERDICTS[verdict]}>{t(`verdict.${verdict}`)}</Badge>;
  }
  if (run.step === 'build') return <Badge tone="busy">{t('run.building')}</Badge>;
  return <Badge tone="busy">{t(run.id ? 'run.running' : 'run.starting')}</Badge>;
}

function Ending({ outcome }: { outcome: Schema['Outcome'] }) {
  const t = useText();
  const { usage, verdict, detail, exit_code: code } = outcome;
  const said = verdict === 'ok' ? null : (detail ?? (code == null ? null : t('run.exit', { code })));
  const cpu = (usage.cpu_user_us + usage.cpu_system_us) / 1_000;
  return (
    <footer className={styles['ending']}>
      {said && <span>{said}</span>}
      <span>{t('run.usage', { wall: Math.round(usage.wall_us / 1_000), cpu: Math.round(cpu), memory: Math.ceil(usage.memory_peak_bytes / 1_048_576) })}</span>
    </footer>
  );
}

const follow = (picture: HTMLElement) => { picture.scrollIntoView({ block: 'nearest' }); };

const PieceView = memo(function PieceView({ piece }: { piece: Piece }) {
  return piece.kind === 'media' ? <Medium mime={piece.mime} bytes={piece.bytes} onDrawn={follow} /> : <pre className={[styles['text'], styles[piece.kind]].join(' ')}>{piece.text}</pre>;
});
