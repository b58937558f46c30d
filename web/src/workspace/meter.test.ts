import { expect, test } from 'vitest';
import { between } from './meter';

const sample = (at: number, cpu: number, memory: number) => ({ at, cpu_user_us: cpu, cpu_system_us: 0, memory_kib_ms: memory });

test('what is used now is the difference of two looks', () => {
  expect(between(sample(1_000, 0, 0), sample(3_000, 1_000_000, 4_096_000))).toEqual({ processors: 0.5, memoryBytes: 2_097_152 });
});

test('one look says nothing, nor does a count that began anew', () => {
  expect(between(null, sample(1, 1, 1))).toBeNull();
  expect(between(sample(1_000, 9, 9), sample(1_000, 9, 9))).toBeNull();
  expect(between(sample(1_000, 9, 9), sample(2_000, 1, 9))).toBeNull();
});
