// A Linux desktop in a page: a program that is started in the session shows its window.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, launch, newPage, shown } from './browser.mjs';
import { Server } from './server.mjs';

let server, browser;
before(async () => {
  server = await Server.start(['--apps-listen', '127.0.0.1:0']);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** How much of the screen is of this colour, from 0 to 1. */
const share = (page, colour) =>
  page.locator('canvas').first().evaluate((canvas, [red, green, blue]) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) found += 1;
    }
    return (found * 4) / data.length;
  }, colour);

test('a desktop shows the window of a program that the session starts', async () => {
  const session = await server.api('POST', '/sessions', { language: 'python', app: 'desktop' });
  const { url } = await server.api('POST', `/sessions/${session.id}/apps`, { name: 'desktop' });
  const page = await newPage(browser);
  await shown(page, 'desktop', async () => {
    await page.goto(url);
    await page.locator('canvas').first().waitFor();
    const magenta = [255, 0, 255];
    // With its own terminal, which would lie over what comes before it.
    await eventually('the desktop is drawn', async () => (await share(page, [255, 255, 255])) > 0.2);
    assert.equal(await share(page, magenta), 0);
    const window = 'DISPLAY=:1 setsid xterm -bg "#ff00ff" -geometry 80x24+100+100 >/dev/null 2>&1 </dev/null &';
    // It ends with its session.
    server.madang('exec', session.id, '--', 'sh', '-c', `${window} sleep 60`).catch(() => {});
    await eventually('the window is seen', async () => (await share(page, magenta)) > 0.05);
  });
});
