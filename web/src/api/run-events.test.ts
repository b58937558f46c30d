import { http, HttpResponse } from 'msw';
import { expect, test } from 'vitest';
import { database, server } from '../testing/setup';
import { runEvents } from './run-events';

const follow = async (run: string) => {
  const seen: number[] = [];
  for await (const event of runEvents(run, new AbortController().signal)) seen.push(event.seq);
  return seen;
};

test('a stream that breaks goes on where it broke, nothing lost and nothing twice', async () => {
  database.signedIn = true;
  const run = database.runCreate('ses_1', { code: 'x', mode: 'query' });
  const asked: (string | null)[] = [];
  server.use(
    http.get('*/api/v1/runs/:id/events', ({ request }) => {
      const after = request.headers.get('last-event-id');
      asked.push(after);
      // The first answer ends after two events and the beginning of a third, the second at once.
      if (asked.length === 1) return new HttpResponse(run.events.slice(0, 2).map((event) => `${JSON.stringify(event)}\n`).join('') + '{"kind":"fin');
      if (asked.length === 2) return HttpResponse.error();
      return undefined;
    }),
  );
  expect(await follow(run.id)).toEqual([0, 1, 2]);
  expect(asked).toEqual([null, '1', '1']);
});

test('what cannot be asked for again is said', async () => {
  database.signedIn = true;
  await expect(follow('run_none')).rejects.toThrow('no such run');
});
