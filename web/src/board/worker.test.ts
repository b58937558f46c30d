import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { flashOf } from './hex';
import type { FromBoard, ToBoard } from './messages';

/** Adds one to the first byte of the EEPROM, shows it at the pins 0 to 7, and sleeps for good. */
const COUNTS = Uint8Array.from(
  [0xe000, 0xbd02, 0xbd01, 0x9af8, 0xb510, 0x9513, 0xbd10, 0x9afa, 0x9af9, 0x99f9, 0xcffe, 0xef2f, 0xb92a, 0xb91b, 0x9588].flatMap((word) => [word & 0xff, word >> 8]),
);
const BLINKS = flashOf(readFileSync('src/testing/sketch.hex', 'utf8'));

let said: FromBoard[] = [];
const tell = (data: ToBoard) => { globalThis.onmessage?.call(window, new MessageEvent('message', { data })); };
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const seconds = () => said.at(-1)?.seconds ?? 0;

vi.setConfig({ testTimeout: 60_000 });

beforeEach(async () => {
  said = [];
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  vi.stubGlobal('postMessage', (message: FromBoard) => { said.push(message); });
  vi.resetModules();
  await import('./worker');
});

afterEach(() => {
  tell({ kind: 'stop' });
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('time stands still while nobody looks, and what passed meanwhile is not made up for', async () => {
  tell({ kind: 'start', flash: BLINKS });
  await pass(300);
  expect(seconds()).toBeGreaterThan(0.2);
  tell({ kind: 'pause', isPaused: true });
  const [before, heard] = [seconds(), said.length];
  await pass(60_000);
  expect([seconds(), said.length]).toEqual([before, heard]);
  tell({ kind: 'pause', isPaused: false });
  await pass(200);
  expect(seconds() - before).toBeGreaterThan(0.1);
  expect(seconds() - before).toBeLessThan(0.4);
});

test('what is begun while nobody looks begins when somebody does', async () => {
  tell({ kind: 'pause', isPaused: true });
  tell({ kind: 'start', flash: BLINKS });
  await pass(1_000);
  expect(said).toEqual([]);
  tell({ kind: 'pause', isPaused: false });
  await pass(100);
  expect(seconds()).toBeGreaterThan(0);
});

test('the EEPROM outlives a restart, and a stop', async () => {
  const counts: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    tell({ kind: 'start', flash: COUNTS });
    await pass(100);
    const last = said.at(-1);
    expect(last?.isOver).toBe(true);
    counts.push((last?.pins ?? []).slice(0, 8).reduce((sum, { duty }, bit) => sum + (duty > 0 ? 2 ** bit : 0), 0));
    tell({ kind: 'stop' });
  }
  // A new one holds 255 everywhere.
  expect(counts).toEqual([0, 1, 2]);
});
