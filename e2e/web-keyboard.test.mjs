// Everything by keys alone: no pointer, no address but the first, and it is seen at every step where one is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shown } from './browser.mjs';
import { at, closes, focused, leaves, opens, tabTo } from './keyboard.mjs';
import { hindrances, named, PASSWORD, webPage } from './web.mjs';
import { browser, server } from './world.mjs';

const output = (page) => named(page, 'log', 'Output');

/** Signs in where the page asks for it. */
async function signIn(page, name) {
  await at(page, 'Name');
  await page.keyboard.type(name);
  await page.keyboard.press('Tab');
  await at(page, 'Password');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
}

async function signOut(page, name) {
  await tabTo(page, `Account of ${name}`);
  await opens(page);
  await page.keyboard.press('End');
  await at(page, 'Sign out');
  await page.keyboard.press('Enter');
  await named(page, 'heading', 'Sign in').waitFor();
}

test('from the printed link to a first program that asks, a terminal, what has run and a link to it, by the keyboard alone', async () => {
  const page = await webPage(browser);
  await shown(page, 'web-keyboard', async () => {
    await page.goto(server.link);
    await at(page, 'New password');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await named(page, 'heading', 'Write your first program').waitFor();
    await tabTo(page, 'Skip to the content');
    await page.keyboard.press('Enter');
    await tabTo(page, 'Begin with Python');
    await page.keyboard.press('Enter');
    await at(page, 'Text of main.py');
    await page.locator('.cm-content').getByText('Press Run').waitFor();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('name = input("Who? ")\nfor greeting in ["hello", "bye"]:\nprint(greeting, name)\n');
    await page.keyboard.press('Control+Enter');
    await at(page, 'Who?');
    await page.keyboard.type('Ada');
    await page.keyboard.press('Enter');
    await output(page).getByText('bye Ada').waitFor();
    await output(page).getByText('Done').waitFor();
    // The line is gone that was typed into.
    await at(page, 'Output');
    await page.keyboard.press('Shift+F6');
    await at(page, 'Text of main.py');
    // In a text Tab writes; the sheet of shortcuts says how it is left.
    await page.keyboard.press('Control+End');
    await page.keyboard.press('Tab');
    await at(page, 'Text of main.py');
    const { name: before } = await leaves(page, 'Text of main.py');
    await opens(page, '?');
    await page.getByRole('dialog').getByText('Leave the text').waitFor();
    assert.deepEqual(await hindrances(page), []);
    await closes(page, before);
    await tabTo(page, 'Terminal');
    await page.keyboard.press('Enter');
    await at(page, 'Terminal');
    await page.locator('.xterm-rows').getByText('$').first().waitFor();
    await page.keyboard.type('echo $((6 * 7))\n');
    await page.locator('.xterm-rows').getByText('42', { exact: true }).waitFor();
    await page.keyboard.press('Shift+F6');
    await at(page, 'Text of main.py');
    const { name: next } = await leaves(page, 'Text of main.py');
    if (!next.startsWith('History')) await tabTo(page, 'History');
    await page.keyboard.press('Enter');
    await tabTo(page, 'name = input(');
    await page.keyboard.press('Enter');
    await tabTo(page, 'Share');
    await opens(page);
    await tabTo(page, 'Make a link');
    await page.keyboard.press('Enter');
    const link = await eventually('there is a link', () => named(page, 'textbox', 'Link').inputValue());
    await closes(page, 'Share');
    // What it leads to is read by the keyboard too.
    const reader = await webPage(browser);
    await reader.goto(link);
    await reader.getByText('bye Ada').waitFor();
    await tabTo(reader, 'Output');
    await reader.close();
    await tabTo(page, 'Skip to the content');
    await signOut(page, 'administrator');
    await signIn(page, 'administrator');
    await named(page, 'heading', 'Workspaces').waitFor();
    assert.deepEqual(page.complaints, []);
  });
  await page.close();
});

test('sessions are looked at and ended, a token made and somebody invited, by the keyboard alone', async () => {
  const { secret } = await server.api('POST', '/links', { user: 'administrator', kind: 'reset' });
  await server.api('POST', '/links/use', { secret, password: PASSWORD });
  for (const name of ['lesson-1', 'lesson-2']) await server.api('POST', '/sessions', { language: 'python', name });
  const page = await webPage(browser);
  await shown(page, 'web-keyboard-console', async () => {
    await page.goto(`${server.url}/`);
    await signIn(page, 'administrator');
    await named(page, 'heading', 'Workspaces').waitFor();
    await tabTo(page, 'Sessions');
    await page.keyboard.press('Enter');
    await named(page, 'link', 'lesson-2').waitFor();
    await page.keyboard.press('Tab');
    for (let presses = 0; (await focused(page)).role !== 'row'; presses += 1) {
      assert.ok(presses < 30, 'Tab comes to the rows');
      await page.keyboard.press('Tab');
      assert.ok((await focused(page)).isSeen, JSON.stringify(await focused(page)));
    }
    for (let presses = 0; !(await focused(page)).name.includes('lesson-2'); presses += 1) {
      assert.ok(presses < 5, 'there is a row of lesson-2');
      await page.keyboard.press('ArrowDown');
    }
    await page.keyboard.press('Enter');
    await named(page, 'heading', 'lesson-2').waitFor();
    await tabTo(page, 'End');
    await opens(page);
    await page.getByRole('dialog').getByText('lesson-2').first().waitFor();
    await closes(page, 'End');
    await opens(page);
    await tabTo(page, 'End it');
    await page.keyboard.press('Enter');
    await page.getByText('Ended', { exact: true }).first().waitFor();
    await at(page, 'End');
    await tabTo(page, 'Account of administrator', 'Shift+Tab');
    await opens(page);
    await page.keyboard.press('Enter');
    await tabTo(page, 'Tokens and keys');
    await page.keyboard.press('Enter');
    await tabTo(page, 'New token');
    await opens(page);
    await page.keyboard.type('by-keys');
    await tabTo(page, 'Make the token');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Done' }).waitFor();
    await tabTo(page, 'Done');
    await page.keyboard.press('Enter');
    await page.getByText('by-keys').waitFor();
    await at(page, 'New token');
    await tabTo(page, 'Administration', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await tabTo(page, 'Invite somebody');
    await opens(page);
    await at(page, 'Name');
    await page.keyboard.type('ada');
    await page.keyboard.press('Enter');
    await named(page, 'heading', 'A link for ada').waitFor();
    await closes(page, 'Invite somebody');
    await tabTo(page, 'Account of administrator', 'Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await signOut(page, 'administrator');
    assert.deepEqual(page.complaints, []);
  });
  await page.close();
});
