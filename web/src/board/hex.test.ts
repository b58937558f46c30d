import { expect, test } from 'vitest';
import { flashOf, FLASH_BYTES } from './hex';

const record = (...bytes: number[]) => {
  const sum = (256 - (bytes.reduce((sum, byte) => sum + byte, 0) % 256)) % 256;
  return `:${[...bytes, sum].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
};
const END = ':00000001FF';

test('records stand where they say', () => {
  const flash = flashOf(`${record(2, 0, 4, 0, 0xab, 0xcd)}\r\n${record(1, 0x7f, 0xff, 0, 9)}\n${END}\n`);
  expect([...flash.subarray(3, 7)]).toEqual([0xff, 0xab, 0xcd, 0xff]);
  expect(flash[FLASH_BYTES - 1]).toBe(9);
});

test('what is no such file is refused with its line', () => {
  const refused: [string, RegExp][] = [
    ['', /cut off/],
    [record(1, 0, 0, 0, 1), /cut off/],
    [`${record(1, 0, 0, 0, 1).slice(0, -1)}\n${END}`, /line 1: this is no record/],
    [`:0100000001FF\n${END}`, /line 1: the checksum/],
    [`${record(2, 0, 0, 0, 1)}\n${END}`, /line 1: the length/],
    [`${record(1, 0x80, 0, 0, 1)}\n${END}`, /beyond the memory/],
    [`${record(2, 0x7f, 0xff, 0, 1, 2)}\n${END}`, /beyond the memory/],
    [`${record(2, 0, 0, 4, 0, 1)}\n${END}`, /beyond the memory/],
    [`${record(0, 0, 0, 9)}\n${END}`, /not known/],
    [`${END}\n${record(1, 0, 0, 0, 1)}`, /line 2: there is more/],
    ['<script>', /line 1: this is no record/],
    [':'.padEnd(2_000_000, '0'), /too large/],
  ];
  for (const [hex, why] of refused) expect(() => flashOf(hex), hex.slice(0, 30)).toThrow(why);
});

test('whatever is done to a good file, it is read whole or refused', () => {
  const good = [record(4, 0, 0, 0, 12, 148, 52, 0), record(4, 0, 4, 0, 1, 2, 3, 4), END].join('\n');
  const before = flashOf(good);
  let seed = 7;
  const next = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  let refused = 0;
  for (let round = 0; round < 3_000; round += 1) {
    const at = next(good.length);
    const changed = good.slice(0, at) + String.fromCharCode(32 + next(95)) + good.slice(at + next(3));
    try {
      const flash = flashOf(changed);
      expect(flash).toHaveLength(FLASH_BYTES);
      // A single wrong letter never passes as another program.
      if (changed.toLowerCase() !== good.toLowerCase() && changed.length === good.length) expect(flash).toEqual(before);
    } catch (error) {
      refused += 1;
      expect((error as Error).message).toMatch(/^(line \d+: |the file is )/);
    }
  }
  expect(refused).toBeGreaterThan(1_000);
});
