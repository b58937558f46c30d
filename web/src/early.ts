// What a workspace needs whatever the page's own script does first, asked for while that script is still on its way.
const [, session] = /^\/w\/([^/]+)\/?$/.exec(location.pathname) ?? [];

if (session !== undefined) {
  for (const path of ['signin', `sessions/${session}`, 'languages', `sessions/${session}/files`]) ask(`/api/v1/${path}`);
  void import('./pages/WorkspacePage');
  void import('./components/workspace/Editor');
}

/** The browser keeps the answer for the page's own `fetch`, which is the same request. */
function ask(href: string): void {
  document.head.append(Object.assign(document.createElement('link'), { rel: 'preload', as: 'fetch', crossOrigin: 'anonymous', href }));
}
