import { act, render, screen } from '@testing-library/react';
import { http } from 'msw';
import { afterEach, expect, test } from 'vitest';
import { problem } from '../../mock-api/problem.ts';
import { App } from '../App';
import { Problem, unreachable, unreadable } from '../api/problem';
import { change } from '../stores/settings';
import { database, server } from '../testing/setup';
import { told } from '../testing/told';
import { ProblemText } from './ProblemText';

afterEach(() => { act(() => { change({ locale: 'en' }); }); });

const said = (error: Error, locale: 'en' | 'ko') => told(<ProblemText error={error} />, locale);

const refused = (code: string, detail: string, also: Partial<ConstructorParameters<typeof Problem>[0]> = {}) => new Problem({ status: 503, code, detail, ...also });

test('a Korean page says what kind of failure it was and what to do, and what the server says as English', () => {
  expect(said(refused('capacity', 'no node has room'), 'ko')).toEqual({ text: '지금은 빈자리가 없습니다. 잠시 뒤에 다시 시도하세요. no node has room', english: ['no node has room'] });
  expect(said(refused('draining', 'the server is stopping', { retry_after_ms: 4_200 }), 'ko').text).toBe('서버가 멈추는 중이라 새 일을 받지 않습니다. 5초 뒤에 다시 시도하세요. the server is stopping');
  expect(said(refused('of-a-later-server', 'no'), 'ko')).toEqual({ text: '서버가 요청을 처리하지 않았습니다. no', english: ['no'] });
  expect(said(unreachable(), 'ko')).toEqual({ text: '서버가 응답하지 않습니다.', english: [] });
  expect(said(new Error('line 3: no checksum'), 'ko')).toEqual({ text: 'line 3: no checksum', english: ['line 3: no checksum'] });
});

test('an English page says what the server says, once, and the next step where that helps', () => {
  expect(said(refused('invalid', '`name` is empty'), 'en').text).toBe('`name` is empty');
  expect(said(refused('internal', 'the database failed', { request_id: 'req_7' }), 'en').text).toBe('the database failed. If it happens again, tell an administrator the request req_7.');
  expect(said(refused('unavailable', 'another control process leads now; ask again'), 'en').text).toBe('another control process leads now; ask again');
  expect(said(unreadable(502), 'en').text).toBe('The answer is not one of this server (502).');
});

test('a name that a guest has chosen does not turn around what stands beside it', () => {
  expect(said(refused('command', 'mv: ‮gpj.exe\n  is there'), 'en').text).toBe('mv: �gpj.exe is there');
});

test('what a server refuses is said on the page in the language that was chosen', async () => {
  database.signedIn = true;
  act(() => { change({ locale: 'ko' }); });
  server.use(http.get('*/api/v1/folders', () => problem(403, 'forbidden', 'folders are closed to you')));
  history.replaceState(null, '', '/folders');
  render(<App />);
  const alert = await screen.findByRole('alert');
  expect(alert.textContent).toBe('권한이 없습니다. 필요하면 관리자나 소유자에게 부탁하세요. folders are closed to you');
  expect(alert.querySelector('[lang=en]')?.textContent).toBe('folders are closed to you');
});
