// The web, as somebody uses it who has never seen it: from the link that the server printed to a program that runs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shown } from './browser.mjs';
import { hindrances, named, PASSWORD, signedIn, webPage } from './web.mjs';
import { browser, server } from './world.mjs';

test('the printed link sets a password, and a first program plots', async () => {
  const page = await webPage(browser);
  await shown(page, 'web-first-program', async () => {
    await page.goto(server.link);
    await page.getByLabel('New password').fill(PASSWORD);
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', 'Set the password and go on').click();
    await named(page, 'heading', 'Write your first program').waitFor();
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', 'Begin with Python').click();
    await page.locator('.cm-content').getByText('Press Run').waitFor();
    await named(page, 'button', 'Run').click();
    await page.getByText('Hello, Madang!').last().waitFor();
    await named(page, 'img', 'A picture that the program drew').waitFor();
    await page.getByText('Done').waitFor();
    assert.deepEqual(await hindrances(page), []);
    assert.deepEqual(page.complaints, []);
  });
  await page.close();
});

test('every page in both languages, light and dark, on a desk, a tablet and a phone hinders nobody', async () => {
  const page = await signedIn(browser, server);
  const { items } = await server.api('GET', '/sessions?filter=live');
  const pages = { home: '/', workspace: `/w/${items[0].id}`, nowhere: '/nowhere' };
  const sizes = { desk: { width: 1280, height: 800 }, tablet: { width: 834, height: 1112 }, phone: { width: 390, height: 780 } };
  for (const [theme, locale] of [['light', 'en'], ['dark', 'ko'], ['light', 'ko'], ['dark', 'en']]) {
    await page.evaluate((settings) => localStorage.setItem('madang.settings', JSON.stringify(settings)), { theme, locale });
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport);
      for (const [name, path] of Object.entries(pages)) {
        await shown(page, `web-${name}-${theme}-${locale}-${size}`, async () => {
          await page.goto(`${server.url}${path}`);
          await page.locator(name === 'workspace' ? '.cm-content[contenteditable=true]' : 'h1').waitFor();
          assert.equal(await page.locator('html').getAttribute('lang'), locale);
          assert.deepEqual(await hindrances(page), [], `${name} ${theme} ${locale} ${size}`);
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${name} is no wider than a ${size}`);
        });
      }
    }
  }
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('whoever signs out sees nothing more', async () => {
  const page = await signedIn(browser, server);
  await named(page, 'button', 'Account of administrator').click();
  await named(page, 'menuitem', 'Sign out').click();
  await named(page, 'heading', 'Sign in').waitFor();
  await page.goto(`${server.url}/w/anything`);
  await named(page, 'heading', 'Sign in').waitFor();
  assert.equal(new URL(page.url()).searchParams.get('to'), '/w/anything');
  await page.close();
});
