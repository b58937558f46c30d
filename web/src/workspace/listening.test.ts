import { expect, test } from 'vitest';
import { portsIn } from './listening';

const line = (at: number, local: string, state: string) =>
  `   ${String(at)}: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000000000000000 100 0 0 10 0`;

test('ports that a browser can be shown are found, each once', () => {
  const tables = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    line(0, '0100007F:1F40', '0A'),
    line(1, '00000000:1388', '0A'),
    line(2, '0100007F:1F41', '01'),
    line(3, '0200007F:1F42', '0A'),
    line(4, '0100007F:D000', '0A'),
    line(5, `${'0'.repeat(32)}:1F40`, '0A'),
    line(6, '00000000000000000000000001000000:0050', '0A'),
  ].join('\n');
  expect(portsIn(tables)).toEqual([80, 5000, 8000]);
});

test('whatever a guest writes there, numbers come of it and not many', () => {
  expect(portsIn('0: <script>:1F40 0A \n  1: 0100007F:ZZZZ 00000000:0000 0A 0\n')).toEqual([]);
  expect(portsIn(Array.from({ length: 900 }, (_, at) => line(at, `0100007F:${(at + 1).toString(16).toUpperCase().padStart(4, '0')}`, '0A')).join('\n'))).toHaveLength(32);
});
