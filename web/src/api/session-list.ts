import { infiniteQueryOptions, type InfiniteData } from '@tanstack/react-query';
import { body, client, type Schema } from './client';

type Session = Schema['SessionView'];
type Page = Schema['Page_SessionView'];

export const SESSION_STATES = ['requested', 'queued', 'placed', 'starting', 'running', 'suspended', 'draining', 'ended', 'refused'] as const satisfies readonly Schema['SessionState'][];
export const SESSION_ORDERS = ['desc', 'asc', 'name'] as const;

/** Which sessions a list is of; stands in the address. */
export type SessionSearch = {
  /** `all`, or a state; those that live where it is left out. */
  show?: 'all' | Schema['SessionState'] | undefined;
  name?: string | undefined;
  owner?: string | undefined;
  language?: string | undefined;
  image?: string | undefined;
  project?: string | undefined;
  kind?: Schema['SessionKind'] | undefined;
  order?: (typeof SESSION_ORDERS)[number] | undefined;
};

/** The first page comes quickly, the others in few requests. */
const FIRST_PAGE = 200;
const PAGE = 1_000;
/** Of longer lists only the beginning is held. */
const PAGES_MAX = 21;
/** What events did not tell is found out this often. */
const REFRESH_MS = 60_000;

const OVER: ReadonlySet<Schema['SessionState']> = new Set(['ended', 'refused']);
const quoted = (value: string) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

/** The same in the words of the API. */
export function sessionFilter({ show, name, owner, language, image, project, kind }: SessionSearch): string {
  const terms = [show === undefined ? 'live' : show === 'all' ? '' : show];
  if (name) terms.push(`name:${quoted(name)}*`);
  if (owner) terms.push(`owner:${quoted(owner)}`);
  if (language) terms.push(`language:${quoted(language)}`);
  if (image) terms.push(`image:${quoted(image)}`);
  if (project) terms.push(`project:${quoted(project)}`);
  if (kind) terms.push(`kind:${kind}`);
  return terms.filter((term) => term !== '').join(' ');
}

export const sessionListKey = 'session-list';

export const sessionListQuery = (search: SessionSearch) =>
  infiniteQueryOptions({
    queryKey: [sessionListKey, search] as const,
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: pageParam === '' ? FIRST_PAGE : PAGE, filter: sessionFilter(search), order: search.order ?? 'desc', ...(pageParam === '' ? {} : { cursor: pageParam }) };
      return body(client.GET('/api/v1/sessions', { params: { query }, signal }));
    },
    getNextPageParam: ({ next_cursor }, pages) => (pages.length < PAGES_MAX ? (next_cursor ?? undefined) : undefined),
    staleTime: REFRESH_MS / 2,
    refetchInterval: REFRESH_MS,
  });

/** As the server filters. */
function isInSearch(session: Session, { show, name, owner, language, image, project, kind }: SessionSearch): boolean {
  if (show === undefined ? OVER.has(session.state) : show !== 'all' && show !== session.state) return false;
  if (name && !session.name.startsWith(name)) return false;
  if ((owner && owner !== session.owner) || (project && project !== session.project) || (kind && kind !== session.kind)) return false;
  return (!language || language === session.language) && (!image || image === session.image);
}

/** A list after some of its sessions changed: those that fit no more go, new ones come first where the newest do. */
export function withChanged(list: InfiniteData<Page, string>, search: SessionSearch, changed: ReadonlyMap<string, Session>): InfiniteData<Page, string> {
  const left = new Map(changed);
  const pages = list.pages.map((page) => {
    if (!page.items.some(({ id }) => changed.has(id))) return page;
    const items = page.items.map((item) => {
      left.delete(item.id);
      return changed.get(item.id) ?? item;
    });
    return { ...page, items: items.filter((item) => !changed.has(item.id) || isInSearch(item, search)) };
  });
  const first = pages[0];
  const fresh = [...left.values()].filter((session) => isInSearch(session, search));
  if (!first || fresh.length === 0 || (search.order ?? 'desc') !== 'desc') return { ...list, pages };
  const items = [...fresh, ...first.items].sort((one, other) => other.created_at.localeCompare(one.created_at));
  return { ...list, pages: [{ ...first, items }, ...pages.slice(1)] };
}
