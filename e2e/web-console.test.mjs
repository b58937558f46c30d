// The console, as an administrator uses it and as somebody meets its limits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shown } from './browser.mjs';
import { hindrances, lookedAt, named, PASSWORD, signedIn, signedInAs, webPage } from './web.mjs';
import { browser, server } from './world.mjs';

const go = async (page, path, heading) => {
  await page.goto(`${server.url}${path}`);
  await named(page, 'heading', heading).waitFor();
};

test('an administrator sets a limit and invites somebody, who meets it, is told why, and signs out', async () => {
  const page = await signedIn(browser, server);
  await shown(page, 'console-invite', async () => {
    await go(page, '/admin/policies', 'Policies');
    await named(page, 'button', 'New policy').click();
    await page.getByLabel('Name').fill('students');
    await page.getByLabel('Live sessions').fill('1');
    await named(page, 'button', 'Save').click();
    await named(page, 'heading', 'students').waitFor();
    await go(page, '/admin/people', 'People');
    await named(page, 'button', 'Invite somebody').click();
    await page.getByRole('dialog').getByLabel('Name').fill('ada');
    await page.getByRole('dialog').getByLabel('Policy').selectOption('students');
    assert.deepEqual(await hindrances(page), []);
    await named(page, 'button', 'Make the link').click();
    await named(page, 'heading', 'A link for ada').waitFor();
  });
  const link = await page.getByRole('dialog').locator('code').textContent();
  const theirs = await webPage(browser);
  await shown(theirs, 'console-refused', async () => {
    await theirs.goto(link);
    await theirs.getByLabel('New password').fill(PASSWORD);
    await named(theirs, 'button', 'Set the password and go on').click();
    await named(theirs, 'button', 'Begin with Python').click();
    await theirs.locator('.cm-content').waitFor();
    await theirs.goto(`${server.url}/`);
    assert.equal(await named(theirs, 'link', 'Administration').count(), 0, 'nobody is shown what the role may not see');
    await named(theirs, 'button', 'New workspace').click();
    await theirs.getByRole('dialog').getByRole('button', { name: /^Python/ }).click();
    await theirs.getByRole('alert').getByText('The policy “students” of the user allows 1 for Live sessions: 1 are held now, and 1 more were asked for.').waitFor();
    assert.deepEqual(await hindrances(theirs), []);
  });
  // The focus may be on its way back from the button that was away while the server was asked.
  await theirs.getByRole('dialog').press('Escape');
  await named(theirs, 'button', 'Account of ada').click();
  await named(theirs, 'menuitem', 'Sign out').click();
  await named(theirs, 'heading', 'Sign in').waitFor();
  await theirs.close();
  await page.close();
});

test('the start page shows a learner workspaces, a teacher the project, and an administrator the service, and each number leads to what it is made of', async () => {
  const { id } = await server.api('POST', '/sessions', { language: 'python', name: 'lesson-7' });
  await server.api('POST', '/announcements', { texts: { en: 'No lesson on Friday.', ko: '금요일은 쉽니다.' }, level: 'warning', audience: 'signed-in' });
  const learner = await signedInAs(browser, server, 'lee');
  await learner.getByText('No lesson on Friday.').waitFor();
  assert.deepEqual(await learner.getByRole('heading', { level: 2 }).allTextContents(), []);
  const teacher = await signedInAs(browser, server, 'kim');
  await server.api('PUT', '/projects/default/members/kim', { role: 'project-manager' });
  await shown(teacher, 'console-home-teacher', async () => {
    await teacher.reload();
    await named(teacher, 'heading', 'Project default').waitFor();
    assert.deepEqual(await hindrances(teacher), []);
    await teacher.getByRole('link', { name: /^Sessions \d+ alive now/ }).click();
    await teacher.getByRole('row').filter({ hasText: 'lesson-7' }).getByText('administrator').waitFor();
  });
  const page = await signedIn(browser, server);
  await shown(page, 'console-home-administrator', async () => {
    await named(page, 'heading', 'The service').waitFor();
    await page.getByRole('link', { name: /^Nodes 1 of 1/ }).waitFor();
    assert.deepEqual(await hindrances(page), []);
    await page.getByRole('link', { name: /^Health/ }).click();
    await named(page, 'heading', 'Health').waitFor();
  });
  await lookedAt(page, server, { 'console-home': '/' });
  await server.api('DELETE', `/sessions/${id}`);
  for (const one of [learner, teacher, page]) await one.close();
});

test('sessions appear by themselves, are chosen by the keyboard, and end together', async () => {
  const page = await signedIn(browser, server);
  await shown(page, 'console-sessions', async () => {
    await go(page, '/sessions?name=batch-', 'Sessions');
    for (const name of ['batch-1', 'batch-2']) await server.api('POST', '/sessions', { language: 'python', name });
    await named(page, 'link', 'batch-2').waitFor();
    assert.deepEqual(await hindrances(page), []);
    await page.locator('[data-row="0"]').focus();
    await page.keyboard.press('Space');
    await page.keyboard.press('ArrowDown');
    await page.locator('[data-row="1"]:focus').waitFor();
    await page.keyboard.press('Space');
    await named(page, 'button', 'End 2 sessions…').click();
    await page.getByText('They belong to administrator.').waitFor();
    await named(page, 'button', 'End all 2').click();
    await page.getByText('No session is like that.').waitFor();
    const { items } = await server.api('GET', '/sessions?filter=live%20name:batch-*');
    assert.deepEqual(items, []);
    assert.deepEqual(page.complaints, []);
  });
  await page.close();
});

test('wherever a session waits, and has ended, it is said why, in the language of the page', async () => {
  const page = await signedIn(browser, server);
  // A workspace asks for its files before it is known to wait.
  page.refused = /status of 409/;
  await server.api('PUT', '/resource-groups/empty', {});
  const detail = 'no node of the resource group takes anything now';
  const told = {
    en: { why: detail, next: `${detail}. It is next in the queue.`, tip: `${detail}. It is next in the queue.`, ended: 'It was ended: asked for by a client', isMarked: false },
    ko: { why: `지금 세션을 받는 노드가 없습니다. ${detail}`, next: `지금 세션을 받는 노드가 없습니다. 다음 차례입니다. ${detail}`, tip: '지금 세션을 받는 노드가 없습니다. 다음 차례입니다.', ended: '도중에 종료되었습니다. asked for by a client', isMarked: true },
  };
  for (const [locale, { why, next, tip, ended, isMarked }] of Object.entries(told)) {
    await page.evaluate((settings) => localStorage.setItem('madang.settings', JSON.stringify(settings)), { theme: 'light', locale });
    const says = async (text) => {
      const said = page.getByText(text, { exact: true }).first();
      await said.waitFor();
      assert.deepEqual(await said.locator('[lang=en]').allTextContents(), isMarked ? [text.slice(text.lastIndexOf('. ') + 2)] : [], text);
      assert.deepEqual(await hindrances(page), []);
    };
    await shown(page, `console-waits-${locale}`, async () => {
      const hears = page.waitForResponse((answer) => new URL(answer.url()).pathname === '/api/v1/events');
      await page.goto(`${server.url}/sessions?name=after`);
      await page.locator('h1').waitFor();
      // Before it hears what happens it has only the list, which says less.
      await hears;
      const { id } = await server.api('POST', '/sessions', { language: 'python', name: 'after', resource_group: 'empty' });
      // Only of what has changed does the list say more.
      await page.getByTitle(tip, { exact: true }).waitFor();
      await page.goto(`${server.url}/w/${id}`);
      await says(next);
      await page.goto(`${server.url}/admin/queue`);
      await named(page, 'button', 'empty').click();
      await says(why);
      await page.goto(`${server.url}/sessions/${id}`);
      await says(next);
      await eventually('it stands in what waits, and in what becomes of it', async () => (await page.getByText(next, { exact: true }).count()) === 2);
      await server.api('DELETE', `/sessions/${id}`);
      await page.goto(`${server.url}/sessions/${id}`);
      await says(ended);
      await page.goto(`${server.url}/w/${id}`);
      await says(ended);
    });
  }
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('every page of the console, light and dark, in both languages, on a desk and a phone hinders nobody', async () => {
  const page = await signedIn(browser, server);
  const { id } = await server.api('POST', '/sessions', { language: 'python', name: 'lesson' });
  await server.api('POST', `/sessions/${id}/runs`, { mode: 'batch', code: 'print(42)', wait: true });
  const admin = ['people', 'projects', 'policies', 'nodes', 'queue', 'audit', 'announcements', 'health'].map((part) => [`console-admin-${part}`, `/admin/${part}`]);
  await lookedAt(page, server, { 'console-sessions': '/sessions', 'console-session': `/sessions/${id}`, 'console-usage': '/usage', ...Object.fromEntries(admin) });
  await page.close();
});
