import { http, HttpResponse } from 'msw';
import { expect, test } from 'vitest';
import { problem } from '../../mock-api/problem.ts';
import { Problem } from '../api/problem';
import { server } from '../testing/setup';
import { bringIn, type Came, type Job } from './bring-in';

const PUT = '*/api/v1/sessions/:id/files/*';
const jobs = (count: number): Job[] => Array.from({ length: count }, (_, at) => ({ to: `many/${String(at)}.txt`, file: new File([String(at)], `${String(at)}.txt`), isReplacing: false }));
const written = () => HttpResponse.json({ path: '', size_bytes: 1 });

test('files go four at once, and one that fails is kept with its error and stops no other', async () => {
  let [open, most] = [0, 0];
  let areFour = (): void => undefined;
  const four = new Promise<void>((resolve) => { areFour = resolve; });
  server.use(http.put(PUT, async ({ request }) => {
    open += 1;
    most = Math.max(most, open);
    await request.arrayBuffer();
    // The first wait for each other: were there fewer at once, none would end.
    if (open === 4) areFour();
    await four;
    open -= 1;
    return request.url.endsWith('/3.txt') ? problem(507, 'no-space', 'the disk is full') : request.url.endsWith('/5.txt') ? problem(412, 'precondition', 'it is there') : written();
  }));
  const told: Came[] = [];
  const came = await bringIn(jobs(20), { session: 'ses_1', signal: new AbortController().signal, onCame: (came) => told.push(came) });
  expect(most).toBe(4);
  expect(came).toMatchObject({ of: 20, sent: 18, unknown: [] });
  expect(came.failed.map(({ job, error }) => [job.to, error instanceof Problem && error.code]).sort()).toEqual([['many/3.txt', 'no-space'], ['many/5.txt', 'precondition']]);
  expect(told.map(({ sent, failed }) => sent + failed.length)).toEqual(Array.from({ length: 21 }, (_, at) => at));
});

test('once stopped nothing more begins, and of what was under way nothing is claimed', async () => {
  const stop = new AbortController();
  let begun = 0;
  server.use(http.put(PUT, async ({ request }) => {
    begun += 1;
    if (request.url.endsWith('/0.txt')) return written();
    if (begun === 5) stop.abort();
    await new Promise((resolve) => { request.signal.addEventListener('abort', resolve); });
    return written();
  }));
  const came = await bringIn(jobs(20), { session: 'ses_1', signal: stop.signal, onCame: () => undefined });
  expect(came).toMatchObject({ of: 20, sent: 1, failed: [] });
  expect(came.unknown.map(({ to }) => to).sort()).toEqual(['many/1.txt', 'many/2.txt', 'many/3.txt', 'many/4.txt']);
  expect(begun).toBe(5);
});
