// What means harm, and what would show that it did any.
import assert from 'node:assert/strict';

/** Every one of these sets `harmed` in our page where it runs there. In HTML, which is shown in a frame, as text, or not at all. */
export const MARKS = [
  `<script>top.harmed='script'</script>`,
  `<img src=x onerror="top.harmed='onerror'">`,
  `<svg onload="top.harmed='svg'"><script>top.harmed='svg script'</script><animate onbegin="top.harmed='animate'" attributeName=x dur=1s></svg>`,
  `<a href="javascript:top.harmed='link'" autofocus onfocus="top.harmed='focus'">go</a>`,
  `<iframe src="javascript:top.harmed='frame'"></iframe><iframe srcdoc="<script>top.harmed='inner'</script>"></iframe>`,
  `<object data="javascript:top.harmed='object'"></object><embed src="data:text/html,<script>top.harmed='embed'</script>">`,
  `<form action="javascript:top.harmed='form'"><input name=password autofocus onfocus="top.harmed='input'"><button>Sign in</button></form>`,
  `<form action="/api/v1/signout" method=post target=_top><button>Sign out</button></form>`,
  `<meta http-equiv=refresh content="0;url=javascript:top.harmed='refresh'"><meta http-equiv=refresh content="0;url=https://example.org/refresh">`,
  `<base href="https://example.org/" target=_top><link rel=stylesheet href="https://example.org/style.css"><link rel=prefetch href="https://example.org/prefetch">`,
  `<img src="https://example.org/spy.png"><img srcset="https://example.org/set.png 1x"><img src="/api/v1/users"><video poster="https://example.org/poster.png"></video>`,
  `<style>@import "https://example.org/i.css";@font-face{font-family:spy;src:url(https://example.org/f.woff)}body{--spy:url(https://example.org/a.png);background:var(--spy) url(https://example.org/b.png);font-family:spy}p{cursor:u\\72l(https://example.org/c.cur),auto}p::before{content:"\\3c/style><img src=https://example.org/d.png>"}</style><p style="background:url(https://example.org/p.png);list-style-image:image-set('https://example.org/q.png' 1x)">styled</p>`,
  `<details open ontoggle="top.harmed='toggle'"><marquee onstart="top.harmed='marquee'">`,
  `<math><mtext><table><mglyph><style><img src=x onerror="top.harmed='mutation'">`,
  `<template><script>top.harmed='template'</script></template><noscript><img src=x onerror="top.harmed='noscript'"></noscript>`,
  `<div style="position:fixed;inset:0;z-index:99999;background:#fff">Sign in again</div>`,
];

export const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" onload="top.harmed='image'"><script>top.harmed='image script'</script><image href="https://example.org/in.png"/><foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:top.harmed='foreign'"/></foreignObject></svg>`;

/** What terminals obey: another title, a cleared screen, links, the clipboard, questions whose answers would be typed, another screen. */
export const ESCAPES = `\u001b]0;Sign in\u0007\u001b]2;Sign in\u001b\\\u001b[2J\u001b[H\u001b]8;;javascript:top.harmed='terminal'\u0007click\u001b]8;;\u0007\u001b]52;c;aGFybWVk\u0007\u001b[c\u001b[6n\u001bP$q"p\u001b\\\u001b]10;?\u0007\u001b[?1049h\u001b[?1000h\u202eevil\u202c`;

/** Looks from now on at all that a harmed page would do. */
export async function watched(page, server) {
  const seen = { strangers: [], framed: [], violations: [], asked: [], opened: [], led: [] };
  await page.exposeFunction('violated', (what) => seen.violations.push(what));
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => globalThis.violated(`${violatedDirective} ${blockedURI}`)));
  page.on('request', (request) => {
    if (/^(?:blob|data|about):/.test(request.url())) return;
    if (!request.url().startsWith(server.url)) seen.strangers.push(request.url());
    else if (request.frame() !== page.mainFrame()) seen.framed.push(request.url());
  });
  page.on('dialog', (dialog) => {
    if (dialog.type() !== 'beforeunload') seen.asked.push(dialog.message());
    void dialog.accept();
  });
  page.on('popup', (popup) => seen.opened.push(popup.url()));
  page.on('framenavigated', (frame) => { if (frame === page.mainFrame() && !frame.url().startsWith(server.url)) seen.led.push(frame.url()); });
  return seen;
}

/** Nothing of it has happened, and the browser had nothing to refuse. */
export async function unharmed(page, seen) {
  await page.waitForTimeout(800);
  for (const frame of page.frames()) assert.equal(await frame.evaluate(() => globalThis.harmed), undefined, frame.url());
  assert.equal(await page.title(), `${await page.locator('h1').innerText()} · Madang`);
  // What signs somebody in is nothing that a script could read, ours or another.
  assert.doesNotMatch(await page.evaluate(() => `${document.cookie} ${JSON.stringify(localStorage)} ${JSON.stringify(sessionStorage)}`), /madang_session|token|secret/i);
  for (const frame of await page.locator('iframe').all()) assert.equal(await frame.getAttribute('sandbox'), '');
  const ours = page.locator('script:not([src]), [onerror], [onload], [onfocus], a[href^="javascript"], a[href^="data"], object, embed, base, meta[http-equiv=refresh], form[action], input[name=password]');
  assert.equal(await ours.count(), 0);
  assert.deepEqual({ ...seen, complaints: page.complaints }, { strangers: [], framed: [], violations: [], asked: [], opened: [], led: [], complaints: [] });
}
