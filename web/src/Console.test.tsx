import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';
import { App } from './App';
import { database } from './testing/setup';

/** For so many sessions. */
const MANY = { timeout: 60_000 };

test('of ten thousand sessions only those in sight are drawn, and all can be ended at once, after it is said what goes', async () => {
  for (let made = 0; made < 1_500; made += 1) database.sessionCreate({ language: 'python', name: `lesson-${String(made)}` });
  database.signedIn = true;
  history.replaceState(null, '', '/sessions');
  render(<App />);
  await screen.findByText('1,500 sessions', {}, MANY);
  expect(screen.getByRole('grid').getAttribute('aria-rowcount')).toBe('1501');
  expect(screen.getAllByRole('row').length).toBeLessThan(100);
  await userEvent.click(screen.getByRole('checkbox', { name: 'Select all' }));
  await userEvent.click(screen.getByRole('button', { name: 'End 1,500 sessions…' }));
  await screen.findByText(/They belong to administrator/);
  await userEvent.click(screen.getByRole('button', { name: 'End all 1,500' }));
  await screen.findByText(/No sessions are alive/, {}, MANY);
  expect(database.sessions.size).toBe(0);
}, 120_000);

test('a session says why what is not possible is not', async () => {
  const { id } = database.sessionCreate({ language: 'python', name: 'homework' });
  database.signedIn = true;
  history.replaceState(null, '', `/sessions/${id}`);
  render(<App />);
  await screen.findByRole('heading', { name: 'homework' });
  await userEvent.click(screen.getByRole('button', { name: 'Resume' }));
  expect((await screen.findByRole('status')).textContent).toBe('Only a suspended session can be resumed; this one is: Running.');
});

test('a folder is made, what is in it is deleted after it is said what goes, and the folder comes back from the trash', async () => {
  database.signedIn = true;
  history.replaceState(null, '', '/folders');
  render(<App />);
  await userEvent.click(await screen.findByRole('button', { name: 'New folder' }));
  await userEvent.type(await screen.findByLabelText('Name'), 'data');
  await userEvent.click(screen.getByRole('button', { name: 'Make it' }));
  await screen.findByRole('heading', { name: 'data' });
  const id = [...database.folders.keys()][0] ?? '';
  database.folderFiles.set(id, new Map([['a‮gpj.exe', new Uint8Array(1)]]));
  await userEvent.click(screen.getByRole('button', { name: 'Read the list again' }));
  await userEvent.click(await screen.findByRole('button', { name: 'More for “a�gpj.exe”' }));
  await userEvent.click(await screen.findByRole('menuitem', { name: 'Delete' }));
  await screen.findByText(/The file \(1 B\) is gone for good/);
  await userEvent.click(screen.getByRole('button', { name: 'Delete for good' }));
  await screen.findByText(/Nothing is here yet/);
  await userEvent.click(screen.getByRole('button', { name: 'To the trash…' }));
  await userEvent.click(await screen.findByRole('button', { name: 'Bring it to the trash' }));
  await screen.findByText(/No folders yet/);
  await userEvent.click(screen.getByRole('link', { name: 'Trash' }));
  await userEvent.click(await screen.findByRole('button', { name: 'Restore' }));
  await screen.findByText(/The trash is empty/);
  expect(database.folders.get(id)?.state).toBe('ready');
});

test('a token is shown once, and revoked after it is said what ends', async () => {
  database.signedIn = true;
  history.replaceState(null, '', '/settings/keys');
  render(<App />);
  await userEvent.click(await screen.findByRole('button', { name: 'New token' }));
  await userEvent.type(await screen.findByLabelText('What it is for'), 'ci');
  await userEvent.click(screen.getByRole('checkbox', { name: 'change and remove' }));
  await userEvent.click(screen.getByRole('button', { name: 'Make the token' }));
  await screen.findByText(/secret of tok_/);
  await userEvent.click(screen.getByRole('button', { name: 'Done' }));
  expect(screen.queryByText(/secret of tok_/)).toBeNull();
  await screen.findByText('see, run, change and remove');
  await userEvent.click(screen.getByRole('button', { name: 'Revoke… ci' }));
  await screen.findByText(/is refused from now on/);
  await userEvent.click(screen.getByRole('button', { name: 'Revoke' }));
  await screen.findByText('No tokens yet.');
  expect(database.tokens.size).toBe(0);
});

test('who has no password is told by what they sign in, and is shown no form for one', async () => {
  database.signedIn = true;
  database.method = 'school';
  history.replaceState(null, '', '/settings/profile');
  render(<App />);
  await screen.findByText('You sign in with The school, and have no password here.');
  expect(screen.queryByLabelText('Present password')).toBeNull();
  cleanup();
  database.method = 'password';
  render(<App />);
  await screen.findByLabelText('Present password');
  expect(screen.queryByText(/have no password here/)).toBeNull();
});
