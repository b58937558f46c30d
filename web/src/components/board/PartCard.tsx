import { memo, useEffect, useState, type KeyboardEvent, type ReactNode } from 'react';
import { isAnalog, pinName, type Part } from '../../board/diagram';
import { angleOf, luxOf, partOf, RANGES } from '../../board/sensors';
import type { Simulation } from '../../board/simulation';
import type { PinSeen } from '../../board/uno';
import { useText } from '../../i18n/board';
import { LedDrawing, ServoDrawing } from './Drawings';
import styles from './Board.module.css';

/** How a part is called: what it is and where it is wired. */
export function usePartName(): (part: Part) => string {
  const t = useText();
  return ({ kind, colour, pin }) => {
    const part = kind === 'led' ? t('board.led.colour', { colour: t(`board.colour.${colour}`) }) : t(`board.kind.${kind}`);
    return t('board.at', { part, pin: pin === null ? t('board.unwired') : pinName(pin) });
  };
}

type Props = { part: Part; seen: PinSeen | undefined; board: Simulation; children: ReactNode };

/** A part as one sees it, and what one can do to it. */
export function PartCard({ part, seen, board, children }: Props) {
  const { kind } = part;
  // A wire that is low lights what is wired to power, as long as there is a sketch that holds it.
  const duty = !seen ? 0 : part.isToPower ? 1 - seen.duty : seen.duty;
  return (
    <li className={styles['part']} data-part-id={part.id}>
      {kind === 'led' && <Led part={part} level={Math.round(duty * 20)} />}
      {kind === 'servo' && <Servo part={part} pulseUs={seen?.pulseUs ?? null} />}
      {kind === 'button' && <PushButton part={part} board={board} />}
      {isAnalog(kind) && <Slider part={part} board={board} />}
      {children}
    </li>
  );
}

const Led = memo(function Led({ part, level }: { part: Part; level: number }) {
  const t = useText();
  const name = usePartName()(part);
  const state = level === 0 ? t('board.led.off') : level === 20 ? t('board.led.on') : t('board.led.dim', { percent: level * 5 });
  return (
    <div role="img" className={styles['seen']} aria-label={t('board.led.state', { part: name, state })}>
      <LedDrawing colour={part.colour} duty={level / 20} />
      <span aria-hidden="true">{name}</span>
    </div>
  );
});

function Servo({ part, pulseUs }: { part: Part; pulseUs: number | null }) {
  const t = useText();
  const name = usePartName()(part);
  // It stays where it was turned to, as long as no pulse says otherwise.
  const [degrees, setDegrees] = useState<number | null>(null);
  const told = pulseUs === null ? null : angleOf(pulseUs);
  const whole = told === null ? null : Math.round(told);
  if (whole !== null && whole !== degrees) setDegrees(whole);
  const label = degrees === null ? t('board.servo.none', { part: name }) : t('board.servo.angle', { part: name, degrees });
  return (
    <div role="img" className={styles['seen']} aria-label={label}>
      <ServoDrawing degrees={degrees ?? 90} />
      <span aria-hidden="true">{label}</span>
    </div>
  );
}

function PushButton({ part, board }: { part: Part; board: Simulation }) {
  const t = useText();
  const name = usePartName()(part);
  const [isDown, setDown] = useState(false);
  const { pin, isToPower } = part;
  useEffect(() => {
    if (pin === null) return undefined;
    // One to ground leaves the pin to its pull-up when it is up; one to power has a resistor to ground.
    board.hold(pin, isToPower ? (isDown ? 'high' : 'low') : isDown ? 'low' : 'open');
    return () => { board.hold(pin, 'open'); };
  }, [board, pin, isToPower, isDown]);
  const keys = (isDown: boolean) => (event: KeyboardEvent) => {
    if (event.key !== ' ' && event.key !== 'Enter') return;
    event.preventDefault();
    setDown(isDown);
  };
  const up = () => { setDown(false); };
  return (
    <div className={styles['seen']}>
      <button
        type="button"
        className={styles['push']}
        aria-label={name}
        aria-pressed={isDown}
        title={t('board.press')}
        onPointerDown={(event) => { event.currentTarget.setPointerCapture(event.pointerId); setDown(true); }}
        onPointerUp={up}
        onPointerCancel={up}
        onLostPointerCapture={up}
        onKeyDown={keys(true)}
        onKeyUp={keys(false)}
        onBlur={up}
        onContextMenu={(event) => { event.preventDefault(); }}
      >
        <span className={styles['cap']} data-down={isDown || undefined} />
      </button>
      <span aria-hidden="true">{name}</span>
    </div>
  );
}

function Slider({ part, board }: { part: Part; board: Simulation }) {
  const t = useText();
  const name = usePartName()(part);
  const { pin, kind } = part;
  const range = RANGES[kind as keyof typeof RANGES];
  const [value, setValue] = useState(range.usual);
  useEffect(() => {
    if (pin === null) return undefined;
    board.bias(pin, partOf(kind, value));
    return () => { board.bias(pin, 0); };
  }, [board, pin, kind, value]);
  const shown = kind === 'light' ? t('board.value.lux', { value: Number(luxOf(value).toPrecision(2)) }) : kind === 'temperature' ? t('board.value.celsius', { value }) : t('board.value.percent', { value });
  return (
    <div className={styles['seen']}>
      <output className={styles['value']} aria-hidden="true">{shown}</output>
      <input type="range" className={styles['slider']} aria-label={name} aria-valuetext={shown} min={range.from} max={range.to} step={range.step} value={value} onChange={(event) => { setValue(Number(event.target.value)); }} />
      <span aria-hidden="true">{name}</span>
    </div>
  );
}
