import { getResponse } from 'msw';
import type { Connect, Plugin } from 'vite';
import { Database } from './database.ts';
import { handlers } from './handlers.ts';

/** Answers the API from memory while the web is worked on: no worker, no server. */
export function mockApi(): Plugin {
  const database = new Database();
  // MADANG_MOCK_SESSIONS: how many sessions there are from the start.
  const sessions = Number(process.env['MADANG_MOCK_SESSIONS'] ?? 0);
  for (let made = 0; made < sessions; made += 1) database.sessionCreate({ language: made % 3 === 0 ? 'c' : 'python', name: `lesson-${String(made)}` });
  const all = handlers(database);
  const answer: Connect.NextHandleFunction = (incoming, outgoing, next) => {
    if (!/^\/(api|storage)\//.test(incoming.url ?? '') && incoming.url !== '/healthz') {
      next();
      return;
    }
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { method = 'GET', url = '/' } = incoming;
      const headers = Object.entries(incoming.headers).flatMap(([name, value]): [string, string][] => (typeof value === 'string' ? [[name, value]] : []));
      const body = chunks.length > 0 ? Buffer.concat(chunks) : null;
      void getResponse(all, new Request(new URL(url, 'http://mock.local'), { method, headers, body })).then(async (response) => {
        outgoing.writeHead(response?.status ?? 501, Object.fromEntries(response?.headers ?? []));
        outgoing.end(Buffer.from((await response?.arrayBuffer()) ?? new ArrayBuffer()));
      });
    });
  };
  return { name: 'mock-api', apply: 'serve', configureServer: (server) => void server.middlewares.use(answer) };
}
