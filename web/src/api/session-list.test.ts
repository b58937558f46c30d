import { expect, test } from 'vitest';
import { Database } from '../../mock-api/database.ts';
import { sessionFilter, withChanged } from './session-list';

const database = new Database();
const [one, two] = ['one', 'two'].map((name) => database.sessionCreate({ language: 'python', name }));
if (!one || !two) throw new Error('no sessions');
const list = { pages: [{ items: [two], next_cursor: 'more' }, { items: [one], next_cursor: null }], pageParams: ['', 'more'] };
const names = (search: Parameters<typeof withChanged>[1], ...changed: (typeof one)[]) =>
  withChanged(list, search, new Map(changed.map((session) => [session.id, session]))).pages.map(({ items }) => items.map(({ name, state }) => `${name} ${state}`));

test('a search is said in the words of the API', () => {
  expect(sessionFilter({})).toBe('live');
  expect(sessionFilter({ show: 'all' })).toBe('');
  expect(sessionFilter({ show: 'queued', name: 'a "b\\', owner: 'usr_1', language: 'c', image: 'host' })).toBe('queued name:"a \\"b\\\\"* owner:"usr_1" language:"c" image:"host"');
});

test('what changed is changed where it stands, and goes where it fits no more', () => {
  expect(names({}, { ...one, state: 'suspended' })).toEqual([['two running'], ['one suspended']]);
  expect(names({}, { ...two, state: 'ended' })).toEqual([[], ['one running']]);
  expect(names({ show: 'all' }, { ...two, state: 'ended' })).toEqual([['two ended'], ['one running']]);
});

test('what is new comes first, where the newest do and the search lets it', () => {
  const three = { ...one, id: 'ses_new', name: 'three', created_at: '2099-01-01T00:00:00.000Z' };
  expect(names({}, three)).toEqual([['three running', 'two running'], ['one running']]);
  expect(names({ language: 'c' }, three)).toEqual([['two running'], ['one running']]);
  expect(names({ order: 'asc' }, three)).toEqual([['two running'], ['one running']]);
});
