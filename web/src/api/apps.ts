import { queryOptions } from '@tanstack/react-query';
import { portsIn } from '../workspace/listening';
import { body, client, type Schema } from './client';
import { command } from './files';

export type App = Schema['AppView'];

/** What sessions can open here. */
export const appOffersQuery = queryOptions({
  queryKey: ['app-offers'],
  queryFn: async () => (await body(client.GET('/api/v1/apps'))).items,
  staleTime: 60_000,
});

/** The apps that a session has started. */
export const appsQuery = (session: string) =>
  queryOptions({
    queryKey: ['apps', session],
    queryFn: async () => (await body(client.GET('/api/v1/sessions/{id}/apps', { params: { path: { id: session } } }))).items,
  });

/** The ports on which programs of a session listen now. */
export const portsQuery = (session: string) =>
  queryOptions({
    queryKey: ['ports', session],
    // One of the two is not there where a kernel has only the other.
    queryFn: async () => portsIn(await command(session, ['sh', '-c', 'cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; true'])),
  });

export type AppAsked = { name: string; port?: number };

/** Starts an app, or finds it where it runs, and says where it opens. */
export async function openApp(session: string, asked: AppAsked): Promise<App> {
  return body(client.POST('/api/v1/sessions/{id}/apps', { params: { path: { id: session } }, body: asked }));
}

/** Where an app opens in a tab: an address of the web, and none of ours. */
export function tabAddress(app: App): string | null {
  const url = app.url == null ? null : URL.parse(app.url);
  return url && /^https?:$/.test(url.protocol) && url.origin !== location.origin ? url.href : null;
}

/** The same, where the server says that this page may show it in a frame. */
export function frameAddress(app: App): string | null {
  return app.embedder === location.origin ? tabAddress(app) : null;
}
