import { http, HttpResponse } from 'msw';
import { act, render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';
import { USER } from '../mock-api/database.ts';
import { problem } from '../mock-api/problem.ts';
import { App } from './App';
import { change } from './stores/settings';
import { database, server } from './testing/setup';

afterEach(() => { vi.restoreAllMocks(); });

const begin = (path: string) => {
  history.replaceState(null, '', path);
  render(<App />);
};

async function signIn(password: string) {
  await userEvent.type(await screen.findByLabelText('Name'), USER.name);
  await userEvent.type(screen.getByLabelText('Password'), password);
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
}

test('a wrong password is said to be wrong, and nobody is let in', async () => {
  begin('/');
  await signIn('wrong');
  expect((await screen.findByRole('alert')).textContent).toBe('The name or the password is wrong.');
  expect(location.pathname).toBe('/signin');
});

test('whoever signs in sees the sessions, and can end one', async () => {
  database.sessionCreate({ language: 'python', name: 'homework' });
  begin('/');
  await signIn(USER.password);
  const row = (await screen.findByRole('link', { name: 'homework' })).closest('tr');
  expect(row && within(row).getByText('Python')).toBeTruthy();
  expect(row && within(row).getByText('Running')).toBeTruthy();
  await userEvent.click(screen.getByRole('button', { name: 'More for “homework”' }));
  await userEvent.click(await screen.findByRole('menuitem', { name: 'End the workspace' }));
  await userEvent.click(await screen.findByRole('button', { name: 'End it' }));
  await screen.findByRole('heading', { name: 'Write your first program' });
  expect(database.sessions.size).toBe(0);
});

test('everything is said in Korean where that is chosen', async () => {
  database.signedIn = true;
  begin('/');
  await screen.findByRole('heading', { name: 'Write your first program' });
  act(() => { change({ locale: 'ko' }); });
  await screen.findByRole('heading', { name: '첫 프로그램을 써 보세요' });
  expect(document.documentElement.lang).toBe('ko');
  act(() => { change({ locale: 'en' }); });
});

test('from an address where nothing is one can go on', async () => {
  database.signedIn = true;
  begin('/admin/no/such/page');
  await screen.findByRole('heading', { name: 'There is no such page' });
  await userEvent.click(within(screen.getByRole('navigation')).getByRole('link', { name: 'Workspaces' }));
  await screen.findByRole('heading', { name: 'Write your first program' });
});

test('a page that fails takes nothing else with it, and comes back', async () => {
  database.signedIn = true;
  server.use(http.get('*/api/v1/folders', () => HttpResponse.json({ items: [null] }), { once: true }));
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  begin('/folders');
  await screen.findByRole('heading', { name: 'Something went wrong' });
  await userEvent.click(within(screen.getByRole('navigation')).getByRole('link', { name: 'Workspaces' }));
  await screen.findByRole('heading', { name: 'Write your first program' });
  await userEvent.click(within(screen.getByRole('navigation')).getByRole('link', { name: 'Folders' }));
  await screen.findByText(/No folders yet/);
});

test('where it is not known who asks, what went wrong is said, and asked again', async () => {
  database.signedIn = true;
  server.use(http.get('*/api/v1/signin', () => problem(500, 'internal', 'the database failed'), { once: true }));
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  begin('/');
  await screen.findByRole('heading', { name: 'Something went wrong' });
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  await screen.findByRole('heading', { name: 'Write your first program' });
});

test('an address of somebody else is not gone to after signing in', async () => {
  begin('/signin?to=//evil.example/');
  await signIn(USER.password);
  await screen.findByRole('heading', { name: 'Write your first program' });
  expect(location.pathname).toBe('/');
});

test('whoever is signed out meanwhile is asked to sign in, and comes back', async () => {
  const { id } = database.sessionCreate({ language: 'python', name: 'homework' });
  database.signedIn = true;
  begin(`/w/${id}`);
  await screen.findByRole('heading', { name: 'homework' });
  database.signedIn = false;
  await screen.findByRole('heading', { name: 'Sign in' });
  await signIn(USER.password);
  await screen.findByRole('heading', { name: 'homework' });
  expect(location.pathname).toBe(`/w/${id}`);
});
