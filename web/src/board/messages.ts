import type { Level, PinSeen } from './uno';

/** What the page tells the board that runs beside it. */
export type ToBoard =
  | { kind: 'start'; flash: Uint8Array }
  | { kind: 'stop' }
  | { kind: 'pause'; isPaused: boolean }
  | { kind: 'hold'; pin: number; level: Level }
  | { kind: 'bias'; pin: number; part: number }
  | { kind: 'type'; bytes: Uint8Array };

/** What the board tells, some thirty times a second. */
export type FromBoard = {
  pins: PinSeen[];
  written: Uint8Array;
  isOver: boolean;
  /** How fast its time goes by: 1 as a real one. */
  pace: number;
  /** How long it has run, by its own clock. */
  seconds: number;
};
