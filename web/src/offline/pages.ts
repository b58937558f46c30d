/** How addresses of pages of ours begin; a test compares them with the routes. */
export const PAGES: ReadonlySet<string> = new Set(['', 'signin', 'shared', 'w', 'sessions', 'folders', 'images', 'jobs', 'reservations', 'usage', 'settings', 'admin']);

/** Whether this is an address of a page of ours, as far as can be told without the server. */
export function isPage(pathname: string): boolean {
  return PAGES.has(pathname.split('/')[1] ?? '') && !pathname.startsWith('/signin/page');
}
