// Stands between browser and server for one thing: a page that is gone to while the server does not answer is answered with `offline.html`.
// Everything else goes to the server untouched, so nothing old can stay: not the API, no file of a guest, no app, not even our own pages. What is kept
// is that one page and its few files, fetched without cookies: the same for everybody.
import { isPage } from './pages';

type Route = { condition: object; source: string };
type Installing = ExtendableEvent & { addRoutes?: (routes: Route[]) => Promise<void> };
declare const self: ServiceWorkerGlobalScope;

const KEPT = 'madang-offline';
const PAGE = '/offline.html';
/** Where its files are, and nothing else. */
const FILES = '/offline/';
/** What a proxy says whose server is away. */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504]);

self.addEventListener('install', (event: Installing) => {
  event.waitUntil(begin(event));
});

async function begin(event: Installing): Promise<void> {
  // Where browsers can be told so, nothing but pages ever comes here, and those do not wait for this worker to wake up.
  const routes = event.addRoutes?.([
    { condition: { urlPattern: { pathname: `${FILES}*` } }, source: 'fetch-event' },
    { condition: { not: { requestMode: 'navigate' } }, source: 'network' },
    { condition: { urlPattern: { pathname: '/api/*' } }, source: 'network' },
    { condition: { requestMode: 'navigate' }, source: 'race-network-and-fetch-handler' },
  ]);
  await Promise.all([routes?.catch(() => undefined), keep()]);
  // A new one takes over at once: it has nothing in common with the pages that are open.
  await self.skipWaiting();
}

async function fetched(path: string): Promise<[string, Response]> {
  const answer = await fetch(path, { credentials: 'omit', cache: 'reload', redirect: 'error' });
  if (!answer.ok) throw new Error(`${path}: ${String(answer.status)}`);
  return [path, answer];
}

/** Keeps the page and what it names, all of it or nothing. */
async function keep(): Promise<void> {
  const page = await fetched(PAGE);
  const text = await page[1].clone().text();
  const names = [...new Set([...text.matchAll(/(?:src|href)="(\/offline\/[^"]+)"/g)].map((found) => found[1] ?? ''))];
  const answers = [...(await Promise.all(names.map(fetched))), page];
  const cache = await caches.open(KEPT);
  for (const [path, answer] of answers) await cache.put(path, answer);
  const paths = new Set(answers.map(([path]) => path));
  for (const { url } of await cache.keys()) if (!paths.has(new URL(url).pathname)) await cache.delete(url);
}

self.addEventListener('activate', (event) => {
  // Without routes the server is asked while this wakes up; with them that would be asking twice.
  const { navigationPreload } = self.registration;
  event.waitUntil('InstallEvent' in self ? navigationPreload.disable() : navigationPreload.enable());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== self.location.origin || request.method !== 'GET') return;
  if (pathname.startsWith(FILES)) event.respondWith(keptOr(pathname, () => fetch(request)));
  else if (request.mode === 'navigate' && request.destination === 'document' && isPage(pathname)) event.respondWith(page(event));
});

async function page(event: FetchEvent): Promise<Response> {
  let away = Response.error();
  try {
    const answer = ((await event.preloadResponse) as Response | undefined) ?? (await fetch(event.request));
    if (!AWAY.has(answer.status)) return answer;
    away = answer;
  } catch {
    // The server is away, or the network is.
  }
  return keptOr(PAGE, () => Promise.resolve(away));
}

async function keptOr(path: string, other: () => Promise<Response>): Promise<Response> {
  return (await (await caches.open(KEPT)).match(path)) ?? other();
}
