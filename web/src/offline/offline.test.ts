import { QueryClient } from '@tanstack/react-query';
import { beforeEach, expect, test } from 'vitest';
import { newRouter } from '../routes';
import { keepHere } from '../stores/here';
import { storedDrafts } from '../workspace/drafts';
import { keptDrafts } from './drafts';
import { isPage, PAGES } from './pages';

beforeEach(() => { localStorage.clear(); });

test('the worker knows the address of every page, and takes nothing else for one', () => {
  // `$` stands for every address where nothing is.
  const firsts = Object.keys(newRouter(new QueryClient()).routesByPath).map((path) => path.split('/')[1] ?? '').filter((first) => first !== '$');
  expect([...PAGES].sort()).toEqual([...new Set(firsts)].sort());
  for (const path of ['/', '/w/ses_1', '/signin/link', '/admin/people']) expect(isPage(path), path).toBe(true);
  for (const path of ['/api/v1/sessions', '/healthz', '/metrics', '/assets/x.js', '/apps/app_1/', '/signin/page.js', '/worker.js', '/wx']) expect(isPage(path), path).toBe(false);
});

test('drafts are shown to whoever typed them, and to nobody who comes after', () => {
  keepHere('usr_ada');
  storedDrafts('ses_1').set('b.py', { base: '', text: 'one', sent: [] });
  storedDrafts('ses_2').set('dir/a: b.py', { base: '', text: 'two', sent: [] });
  localStorage.setItem('madang.draft:ses_3:old.py', JSON.stringify({ base: '', text: 'nobody knows whose', sent: [] }));
  localStorage.setItem('madang.draft:ses_4:broken.py', '{');
  expect(keptDrafts('ses_1')).toEqual([{ session: 'ses_1', path: 'b.py', text: 'one' }, { session: 'ses_2', path: 'dir/a: b.py', text: 'two' }]);
  expect(keptDrafts('ses_2')[0]?.text).toBe('two');
  keepHere(null);
  expect(keptDrafts('ses_1')).toEqual([]);
  keepHere('usr_ben');
  expect(keptDrafts('ses_1')).toEqual([]);
  keepHere('usr_ada');
  expect(keptDrafts('ses_1').length).toBe(2);
});
