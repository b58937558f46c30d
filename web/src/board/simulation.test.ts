import { readFileSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import type { ToBoard } from './messages';
import { Simulation } from './simulation';

const HEX = readFileSync('src/testing/sketch.hex', 'utf8');
let sent: ToBoard[] = [];

class FakeWorker {
  onmessage: unknown = null;
  postMessage(message: ToBoard) { sent.push(message); }
  terminate() { sent = []; }
}

const look = (visibilityState: DocumentVisibilityState) => {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(visibilityState);
  document.dispatchEvent(new Event('visibilitychange'));
};
const pauses = () => sent.flatMap((message) => (message.kind === 'pause' ? [message.isPaused] : []));

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  sent = [];
});

test('the board rests while its page is hidden, until it is left', () => {
  vi.stubGlobal('Worker', FakeWorker);
  const board = new Simulation();
  look('hidden');
  expect(sent).toEqual([]);
  board.start(HEX);
  expect(pauses()).toEqual([true]);
  look('visible');
  look('hidden');
  look('visible');
  expect(pauses()).toEqual([true, false, true, false]);
  board.leave();
  look('hidden');
  expect(sent).toEqual([]);
});
