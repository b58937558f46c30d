import { QueryClient } from '@tanstack/react-query';
import { http, HttpResponse } from 'msw';
import { afterEach, expect, test, vi } from 'vitest';
import { CSRF } from '../../mock-api/database.ts';
import { rememberCsrf } from '../api/client';
import { database, server } from '../testing/setup';
import { beginAhead } from './ahead';
import { Tabs } from './tabs';

const SESSION = 'ses_1';
const made: Tabs[] = [];
const PATIENCE = { timeout: 60_000 };

/** As one page of a browser sees the file. */
async function page(): Promise<Tabs> {
  const tabs = new Tabs(SESSION);
  made.push(tabs);
  tabs.open('notes.txt');
  await vi.waitFor(() => { expect(tabs.current?.state.kind).toBe('saved'); }, PATIENCE);
  return tabs;
}

const text = (tabs: Tabs) => tabs.current?.text;

function write(words: string): void {
  database.signedIn = true;
  rememberCsrf(CSRF);
  database.files.set(SESSION, new Map([['notes.txt', new TextEncoder().encode(words)]]));
}

afterEach(() => {
  for (const tabs of made.splice(0)) tabs.leave();
});

test('what one page has saved the other shows, without being asked to look', async () => {
  write('one');
  const [here, there] = [await page(), await page()];
  here.current?.file.edit(() => 'one two');
  expect(await here.flush()).toBe(true);
  await vi.waitFor(() => { expect(text(there)).toBe('one two'); }, PATIENCE);
});

test('a look that nobody answers is looked again', async () => {
  write('one');
  const tabs = await page();
  write('by a program');
  let refused = 0;
  server.use(http.get('*/files/notes.txt', () => (refused++ === 0 ? HttpResponse.error() : undefined)));
  await tabs.look();
  expect([refused, text(tabs)]).toEqual([1, 'one']);
  await vi.waitFor(() => { expect(text(tabs)).toBe('by a program'); }, PATIENCE);
});

test('what was read ahead and never needed is not taken for what is there now', async () => {
  write('one');
  const tabs = await page();
  // The page asked for the file before its own reading ahead had got that far.
  beginAhead(new QueryClient({ defaultOptions: { queries: { retry: false } } }), SESSION);
  tabs.current?.file.edit(() => 'one two');
  expect(await tabs.flush()).toBe(true);
  await tabs.look();
  expect(tabs.current?.file.text).toBe('one two');
});
