import { flashOf } from './hex';
import type { FromBoard, ToBoard } from './messages';
import type { Level, PinSeen } from './uno';

export type BoardShown = {
  state: 'off' | 'running' | 'over';
  pins: readonly PinSeen[];
  /** Serial, its latest part. */
  text: string;
  pace: number;
  seconds: number;
};

/** What of Serial is kept to look at. */
const TEXT_CHARS_MAX = 100_000;

const OFF: BoardShown = { state: 'off', pins: [], text: '', pace: 1, seconds: 0 };

/** The simulated board of a workspace: the one owner of what runs beside the page. Components read snapshots. */
export class Simulation {
  private worker: Worker | null = null;
  private shown: BoardShown = OFF;
  private decoder = new TextDecoder();
  private told = false;
  private readonly listeners = new Set<() => void>();
  private readonly held = new Map<number, Level>();
  private readonly biased = new Map<number, number>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): BoardShown => this.shown;

  /** Begins with this program; throws where it is none. */
  start(hex: string): void {
    const flash = flashOf(hex);
    this.worker ??= this.open();
    this.decoder = new TextDecoder();
    this.shown = { ...OFF, state: 'running' };
    for (const [pin, level] of this.held) this.send({ kind: 'hold', pin, level });
    for (const [pin, part] of this.biased) this.send({ kind: 'bias', pin, part });
    this.send({ kind: 'pause', isPaused: document.visibilityState === 'hidden' });
    this.send({ kind: 'start', flash });
    this.tell();
  }

  stop(): void {
    this.send({ kind: 'stop' });
    this.shown = { ...this.shown, state: 'off', pins: [] };
    this.tell();
  }

  hold(pin: number, level: Level): void {
    if (this.held.get(pin) === level) return;
    this.held.set(pin, level);
    this.send({ kind: 'hold', pin, level });
  }

  bias(pin: number, part: number): void {
    if (this.biased.get(pin) === part) return;
    this.biased.set(pin, part);
    this.send({ kind: 'bias', pin, part });
  }

  type(line: string): void {
    this.send({ kind: 'type', bytes: new TextEncoder().encode(`${line}\n`) });
  }

  clear(): void {
    this.shown = { ...this.shown, text: '' };
    this.tell();
  }

  leave(): void {
    document.removeEventListener('visibilitychange', this.look);
    this.worker?.terminate();
    this.worker = null;
  }

  private open(): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<FromBoard>) => { this.hear(data); };
    document.addEventListener('visibilitychange', this.look);
    return worker;
  }

  private readonly look = () => { this.send({ kind: 'pause', isPaused: document.visibilityState === 'hidden' }); };

  private send(message: ToBoard): void {
    this.worker?.postMessage(message);
  }

  private hear({ pins, written, isOver, pace, seconds }: FromBoard): void {
    if (this.shown.state !== 'running') return;
    const text = (this.shown.text + this.decoder.decode(written, { stream: true }).replaceAll('\r', '')).slice(-TEXT_CHARS_MAX);
    this.shown = { state: isOver ? 'over' : 'running', pins, text, pace, seconds };
    this.tell();
  }

  /** Once a frame at most. */
  private tell(): void {
    if (this.told) return;
    this.told = true;
    requestAnimationFrame(() => {
      this.told = false;
      for (const listener of this.listeners) listener();
    });
  }
}
