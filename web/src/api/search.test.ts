import { expect, test } from 'vitest';
import { found } from './search';

test('what is found by name and by content comes apart', () => {
  expect(found('./a/b.py\n./c:1:d.py\n', 'names').map(({ path }) => path)).toEqual(['a/b.py', 'c:1:d.py']);
  expect(found('./a:3:x.py\0' + '12:  print("a:b")\n', 'contents')).toEqual([{ path: 'a:3:x.py', line: 12, text: '  print("a:b")' }]);
});

test('nothing leads out of the session’s directory, and nothing is long', () => {
  expect(found('/etc/passwd\n./../x\n.\n\n', 'names')).toEqual([]);
  expect(found('./a.py\0nothing\n./b.py\n', 'contents')).toEqual([]);
  expect(found(`./a.py\0` + `1:${'x'.repeat(5_000)}`, 'contents')[0]?.text).toHaveLength(300);
});
