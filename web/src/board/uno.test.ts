import { readFileSync } from 'node:fs';
import { beforeEach, expect, test, vi } from 'vitest';
import { angleOf, partOf } from './sensors';
import { flashOf } from './hex';
import { HZ, Uno } from './uno';

/** Blinks 13, shows the button of 2 at 12, dims 9, turns a servo at 7, and tells what A0 reads; see sketch.ino. */
const flash = flashOf(readFileSync('src/testing/sketch.hex', 'utf8'));
let uno: Uno;
const after = (seconds: number) => {
  uno.look();
  uno.run(uno.cycles + seconds * HZ);
  return uno.look();
};
const said = () => new TextDecoder().decode(uno.take());

// Ten million steps of a chip take a while on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

beforeEach(() => { uno = new Uno(flash); });

test('a sketch blinks, dims and turns a servo', () => {
  after(0.05);
  const pins = after(2);
  expect(pins[13]?.duty).toBeCloseTo(0.5, 1);
  expect(pins[9]?.duty).toBeCloseTo(0.25, 1);
  expect(pins[7]?.pulseUs).toBeGreaterThan(1_490);
  expect(pins[7]?.pulseUs).toBeLessThan(1_530);
  expect(pins[12]?.duty).toBe(0);
  expect(angleOf(pins[7]?.pulseUs ?? 0)).toBeCloseTo(95, -1);
});

test('a button and a slider are read, and Serial is answered', () => {
  uno.bias(14, 0.5);
  after(0.5);
  expect(said()).toMatch(/^512 512 /);
  uno.hold(2, 'low');
  uno.type(new TextEncoder().encode('hello there, you\n'));
  expect(after(1)[12]?.duty).toBeGreaterThan(0.7);
  expect(said().replaceAll('512 ', '')).toBe('HELLO THERE, YOU\n');
  uno.hold(2, 'open');
  after(0.3);
  expect(after(0.3)[12]?.duty).toBe(0);
});

test('a sketch that ends is over', () => {
  after(0.5);
  expect(uno.isOver).toBe(false);
  uno.bias(15, 1);
  after(0.5);
  expect(uno.isOver).toBe(true);
});

test('whatever is in the memory, the board goes on or is over', () => {
  let seed = 3;
  for (let round = 0; round < 20; round += 1) {
    uno = new Uno(Uint8Array.from({ length: flash.length }, () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) >> 16));
    after(0.01);
    expect(uno.isOver || uno.cycles >= 0.01 * HZ).toBe(true);
  }
});

test('sensors give what theirs give', () => {
  expect(partOf('temperature', 25)).toBeCloseTo(0.5, 5);
  expect(partOf('potentiometer', 75)).toBe(0.75);
  expect(partOf('light', 10) * 1024).toBeCloseTo(985, -1);
  expect(partOf('light', 50)).toBeLessThan(partOf('light', 0));
});
