import { EEPROMMemoryBackend } from 'avr8js';
import type { FromBoard, ToBoard } from './messages';
import { HZ, Uno, type Level } from './uno';

const SLICE_MS = 8;
const TELL_MS = 33;
/** What a slow machine, or one that slept, is behind by is let go beyond this. */
const BEHIND_MS_MAX = 100;
/** Over this time the pace is told. */
const PACE_MS = 1_000;

/** Kept over restarts, as on the real chip. */
const eeprom = new EEPROMMemoryBackend(1024);
const held = new Map<number, Level>();
const biased = new Map<number, number>();

let uno: Uno | null = null;
let isPaused = false;
let timer: ReturnType<typeof setTimeout> | undefined;
/** The moment at which the board's clock should have been at `cycles`. */
let mark = { at: 0, cycles: 0 };
let told = 0;
let paced = { at: 0, cycles: 0, pace: 1 };

function start(flash: Uint8Array): void {
  uno = new Uno(flash, eeprom);
  for (const [pin, level] of held) uno.hold(pin, level);
  for (const [pin, part] of biased) uno.bias(pin, part);
  goOn();
}

function goOn(): void {
  clearTimeout(timer);
  const now = performance.now();
  mark = { at: now, cycles: uno?.cycles ?? 0 };
  paced = { ...mark, pace: 1 };
  if (uno && !isPaused) step(uno);
}

function step(board: Uno): void {
  const began = performance.now();
  const wanted = mark.cycles + ((began - mark.at) * HZ) / 1_000;
  // In small steps: how long one takes is not known before.
  while (board.cycles < wanted && !board.isOver && performance.now() - began < SLICE_MS) board.run(Math.min(wanted, board.cycles + HZ / 2_000));
  const now = performance.now();
  const behindMs = ((wanted - board.cycles) * 1_000) / HZ;
  if (behindMs > BEHIND_MS_MAX) mark = { at: now, cycles: board.cycles };
  if (now - paced.at > PACE_MS) paced = { at: now, cycles: board.cycles, pace: ((board.cycles - paced.cycles) * 1_000) / HZ / (now - paced.at) };
  if (now - told > TELL_MS || board.isOver) tell(board, now);
  if (!board.isOver) timer = setTimeout(() => { step(board); }, behindMs > 0 ? 0 : 4);
}

function tell(board: Uno, now: number): void {
  told = now;
  const message: FromBoard = { pins: board.look(), written: board.take(), isOver: board.isOver, pace: paced.pace, seconds: board.cycles / HZ };
  postMessage(message);
}

onmessage = ({ data }: MessageEvent<ToBoard>) => {
  switch (data.kind) {
    case 'start':
      start(data.flash);
      break;
    case 'stop':
      uno = null;
      clearTimeout(timer);
      break;
    case 'pause':
      isPaused = data.isPaused;
      goOn();
      break;
    case 'hold':
      held.set(data.pin, data.level);
      uno?.hold(data.pin, data.level);
      break;
    case 'bias':
      biased.set(data.pin, data.part);
      uno?.bias(data.pin, data.part);
      break;
    case 'type':
      uno?.type(data.bytes);
      break;
  }
};
