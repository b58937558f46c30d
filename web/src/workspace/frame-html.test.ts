import { expect, test } from 'vitest';
import { frameHtml } from './frame-html';

test('tables and styles stay, and what a frame refuses is not in it', () => {
  const html = frameHtml(
    '<style>td { color: red }</style><table onclick="x"><tr><td style="width: 1em">1</td></tr></table><img src="data:image/png;base64,AAAA"><img src="https://example.org/spy.png" onerror="x"><a href="javascript:x">go</a><a href="#here">here</a><script>x</script><form action="/x"><input name="password"></form><meta http-equiv="refresh" content="0;url=x"><svg onload="x"><a xlink:href="javascript:x"></a></svg>',
    'n1',
  );
  const page = new DOMParser().parseFromString(html, 'text/html');
  expect(page.querySelector('style')?.getAttribute('nonce')).toBe('n1');
  expect(page.querySelector('td')?.getAttribute('style')).toBe('width: 1em');
  expect([...page.querySelectorAll('img')].map((image) => image.getAttribute('src'))).toEqual(['data:image/png;base64,AAAA', null]);
  expect([...page.querySelectorAll('body > a')].map((link) => link.getAttribute('href'))).toEqual([null, '#here']);
  expect(html).not.toMatch(/script| onclick| onerror| onload|password|refresh/);
});
