import { describe, expect, it } from 'vitest';
import { uriOf, whereabouts } from './paths';

describe('names of files for language servers', () => {
  it.each(['main.py', '자료/노트 1.py', 'a#b?c%d+e&f.ts', '.hidden/x'])('%s comes back as it went', (path) => {
    expect(whereabouts(uriOf(path))).toEqual({ inside: path });
  });

  it('lie elsewhere where they do', () => {
    expect(whereabouts('file:///usr/include/stdio.h')).toEqual({ outside: '/usr/include/stdio.h' });
    expect(whereabouts('file:///home/workers/x')).toEqual({ outside: '/home/workers/x' });
  });

  it.each([
    'file:///home/work/../other/x',
    'file:///home/work/%2e%2e/%2e%2e/etc/passwd',
    'file:///home/work/a%2f..%2f..%2fx',
    'file:///home/work//x',
    'file:///home/work/%00',
    'file:///home/work/%ff',
    'file://elsewhere/home/work/x',
    'https://example.org/home/work/x',
    'javascript:alert(1)',
    '',
    null,
    7,
    { toString: () => 'file:///home/work/x' },
    `file:///home/work/${'x'.repeat(9_000)}`,
  ])('%s is no file', (uri) => {
    expect(whereabouts(uri)).toBeNull();
  });
});
