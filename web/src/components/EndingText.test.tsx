import { act, render } from '@testing-library/react';
import { createIntl } from 'react-intl';
import { afterEach, expect, test } from 'vitest';
import document from '../../../docs/openapi.json';
import type { Schema } from '../api/client';
import { CATALOGUES, TextProvider, type MessageId, type Values } from '../i18n/text';
import { change } from '../stores/settings';
import { told } from '../testing/told';
import { endingTip, EndingText } from './EndingText';
import { ServerTip } from './ServerTip';

type Ended = Pick<Schema['SessionView'], 'state' | 'outcome' | 'why'>;

afterEach(() => { act(() => { change({ locale: 'en' }); }); });

const IDLE: Ended = { state: 'ended', outcome: 'timed-out', why: 'idle for too long' };

const said = (session: Ended, locale: 'en' | 'ko') => told(<EndingText session={session} />, locale);

const tip = (session: Ended, locale: 'en' | 'ko') => {
  const intl = createIntl({ locale, messages: CATALOGUES[locale] });
  return endingTip(session, (id: MessageId, values?: Values) => intl.formatMessage({ id }, values), intl);
};

test('how a session ended is said in the words of the page, then why, as English elsewhere', () => {
  expect(said(IDLE, 'ko')).toEqual({ text: '시간이 다 되었거나 쓰지 않아서 끝났습니다. idle for too long', english: ['idle for too long'] });
  expect(said(IDLE, 'en')).toEqual({ text: 'Its time was over, or nobody used it: idle for too long', english: [] });
  expect(said({ state: 'refused', why: 'too many' }, 'ko').text).toBe('시작하지 못하고 거절되었습니다. too many');
  expect(said({ state: 'ended', outcome: 'completed' }, 'en').text).toBe('It has done what it was for.');
});

test('an outcome of a later server is said as the server says it, and what lives has not ended', () => {
  expect(said({ ...IDLE, outcome: 'evaporated' }, 'ko')).toEqual({ text: 'idle for too long', english: ['idle for too long'] });
  expect(said({ state: 'running' }, 'ko').text).toBe('');
});

test('where no language can be marked the page says it in its own words alone', () => {
  expect(tip(IDLE, 'ko')).toBe('시간이 다 되었거나 쓰지 않아서 끝났습니다.');
  expect(tip(IDLE, 'en')).toBe('Its time was over, or nobody used it: idle for too long');
  expect(tip({ state: 'running' }, 'ko')).toBe('');
});

test('what only the server says is told as English to who points at it, and what is shown keeps its language', () => {
  act(() => { change({ locale: 'ko' }); });
  const { container } = render(<TextProvider><ServerTip tip="no space">실패</ServerTip></TextProvider>);
  expect(container.innerHTML).toBe('<span lang="en" title="no space"><span lang="ko">실패</span></span>');
});

test('every outcome that the API names is said in every language', () => {
  const { description } = document.components.schemas.SessionView.properties.outcome;
  const outcomes = [...description.matchAll(/`([a-z-]+)`/g)].map(([, outcome]) => outcome ?? '');
  expect(outcomes.length).toBeGreaterThan(3);
  for (const catalogue of Object.values(CATALOGUES)) {
    const said = Object.keys(catalogue).flatMap((id) => (id.startsWith('ending.') ? [id.slice('ending.'.length)] : []));
    expect(said.sort()).toEqual([...outcomes, 'draining', 'refused'].sort());
  }
});
