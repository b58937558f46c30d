import { act, render, screen } from '@testing-library/react';
import { createIntl } from 'react-intl';
import { afterEach, expect, test } from 'vitest';
import document from '../../../docs/openapi.json';
import { App } from '../App';
import type { Schema } from '../api/client';
import { CATALOGUES, type MessageId, type Values } from '../i18n/text';
import { change } from '../stores/settings';
import { database } from '../testing/setup';
import { told } from '../testing/told';
import { waitTip, WaitText } from './WaitText';

type Queue = Schema['QueueView'];

afterEach(() => { act(() => { change({ locale: 'en' }); }); });

const ROOM: Queue = { reason: 'room', waits_for: 'no node has enough free: cpu_millis: 4000 wanted, 2000 at most', position: 2, refused_at: '2026-03-02T10:00:00Z' };

const said = (queue: Queue, locale: 'en' | 'ko', place: 'said' | 'left-out' = 'said') => told(<WaitText queue={queue} place={place} />, locale);

const tip = (queue: Queue, locale: 'en' | 'ko') => {
  const intl = createIntl({ locale, messages: CATALOGUES[locale] });
  return waitTip(queue, (id: MessageId, values?: Values) => intl.formatMessage({ id }, values), intl);
};

test('a Korean page says in its own words why a session waits and at which place, and what the server says as English', () => {
  expect(said(ROOM, 'ko')).toEqual({ text: `필요한 만큼 비어 있는 노드가 없습니다. 대기 순서는 2번째입니다. ${ROOM.waits_for}`, english: [ROOM.waits_for] });
  expect(said({ ...ROOM, position: 1 }, 'ko', 'left-out').text).toBe(`필요한 만큼 비어 있는 노드가 없습니다. ${ROOM.waits_for}`);
  expect(said({ ...ROOM, position: 1, may_start_at: '2026-03-02T12:00:00Z' }, 'ko').text).toMatch(/ 다음 차례입니다\. 시작 가능 시각은 2026\. 3\. [23]\. .+ 또는 그 이전입니다\. no node/);
});

test('an English page says what the server says, once', () => {
  expect(said(ROOM, 'en').text).toBe(`${ROOM.waits_for}. It is number 2 in the queue.`);
  expect(said({ ...ROOM, position: null }, 'en').text).toBe(ROOM.waits_for);
});

test('a code of a later server is said as the server says it', () => {
  const later = { ...ROOM, reason: 'weather', waits_for: 'it rains' };
  expect(said(later, 'ko')).toEqual({ text: '대기 순서는 2번째입니다. it rains', english: ['it rains'] });
  expect(said({ ...later, position: null }, 'ko').text).toBe('it rains');
  expect(tip(later, 'ko')).toBe('it rains. 대기 순서는 2번째입니다.');
});

test('where no language can be marked the page says it in its own words alone', () => {
  expect(tip(ROOM, 'ko')).toBe('필요한 만큼 비어 있는 노드가 없습니다. 대기 순서는 2번째입니다.');
  expect(tip(ROOM, 'en')).toBe(`${ROOM.waits_for}. It is number 2 in the queue.`);
});

test('every code that the API names is said in every language', () => {
  const { description } = document.components.schemas.QueueView.properties.reason;
  const codes = [...description.matchAll(/`([a-z-]+)`/g)].map(([, code]) => code ?? '');
  expect(codes.length).toBeGreaterThan(4);
  for (const catalogue of Object.values(CATALOGUES)) {
    const said = Object.keys(catalogue).flatMap((id) => (id.startsWith('wait.') ? [id.slice('wait.'.length)] : []));
    expect(said.sort()).toEqual([...codes, 'position', 'may'].sort());
  }
});

test('a workspace that waits says why in the language of the page', async () => {
  const session = database.sessionCreate({ language: 'python', name: 'homework' });
  database.sessions.set(session.id, { ...session, state: 'queued', queue: ROOM });
  database.signedIn = true;
  act(() => { change({ locale: 'ko' }); });
  history.replaceState(null, '', `/w/${session.id}`);
  render(<App />);
  const shown = await screen.findByText(/^필요한 만큼 비어 있는 노드가 없습니다\./);
  expect(shown.querySelector('[lang=en]')?.textContent).toBe(ROOM.waits_for);
});
