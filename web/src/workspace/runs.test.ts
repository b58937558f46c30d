import { expect, test } from 'vitest';
import { plain } from './runs';

test('what terminals obey is taken out of the output, and nothing else', () => {
  expect(plain('a\u001b[31mb\u001b[0m [c]\r\n')).toBe('ab [c]\n');
  expect(plain('\u001b]0;Sign in\u0007x\u001b]8;;javascript:y\u001b\\link\u001b]8;;\u001b\\')).toBe('xlink');
  expect(plain('\u001bP$q"p\u001b\\x\u001b_app\u001b\\y\u001b^pm\u001b\\z')).toBe('xyz');
});
