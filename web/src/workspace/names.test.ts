import { expect, test } from 'vitest';
import { baseOf, extensionOf, folderOf, isName, joined, shown } from './names';

test('names that would hide or turn what stands beside them are shown as they are', () => {
  expect(shown('a\u202egnp.exe')).toBe('a\ufffdgnp.exe');
  expect(shown('\u001b[31mred\n')).toBe('\ufffd[31mred\ufffd');
  expect(shown('마당.py')).toBe('마당.py');
});

test('paths come apart and together', () => {
  expect([baseOf('a/b.py'), folderOf('a/b.py'), folderOf('b.py'), joined('', 'b'), joined('a', 'b')]).toEqual(['b.py', 'a', '', 'b', 'a/b']);
  expect([extensionOf('a.d/Makefile'), extensionOf('A.PY')]).toEqual(['', 'py']);
});

test('what would lead elsewhere is no name', () => {
  for (const bad of ['', '.', '..', 'a/b', 'a\0', 'x'.repeat(256)]) expect(isName(bad), bad).toBe(false);
  expect(isName('첫 프로그램.py')).toBe(true);
});
