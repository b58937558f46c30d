import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { isSignedOut } from './api/problem';
import { SESSION_ORDERS, SESSION_STATES, type SessionSearch } from './api/session-list';
import { MEASURE_NAMES, USAGE_BY, USAGE_DAYS, type UsageSearch } from './api/usage-queries';
import { signinQuery } from './api/queries';
import { Shell } from './components/Shell';
import { FailureDoorway, NotFoundPage } from './pages/FailurePage';
import { HomePage } from './pages/HomePage';
import { LinkPage } from './pages/LinkPage';
import { SigninPage } from './pages/SigninPage';
import { beginAhead } from './workspace/ahead';

type Context = { queries: QueryClient };

const root = createRootRouteWithContext<Context>()({ errorComponent: FailureDoorway });

const signin = createRoute({
  getParentRoute: () => root,
  path: '/signin',
  // Said also where it is not: what is left out here stays as the address has it.
  validateSearch: (search: Record<string, unknown>): { to?: string | undefined } => ({ to: isOwnAddress(search['to']) ? search['to'] : undefined }),
  component: SigninPage,
});

const link = createRoute({ getParentRoute: () => root, path: '/signin/link', component: LinkPage });

const shared = createRoute({ getParentRoute: () => root, path: '/shared', component: lazyRouteComponent(() => import('./pages/SharedRunPage'), 'SharedRunPage') });

const signedIn = createRoute({
  getParentRoute: () => root,
  id: 'signed-in',
  loader: async ({ context, location }) => {
    try {
      return await context.queries.ensureQueryData(signinQuery);
    } catch (error) {
      if (!isSignedOut(error)) throw error;
      const to = location.href;
      throw redirect({ to: '/signin', search: to === '/' ? {} : { to } });
    }
  },
  component: function SignedIn() {
    return <Shell signin={signedIn.useLoaderData()} />;
  },
});

const home = createRoute({ getParentRoute: () => signedIn, path: '/', component: HomePage });

const workspace = createRoute({
  getParentRoute: () => signedIn,
  path: '/w/$session',
  // `first`: just made; the workspace writes its first program.
  validateSearch: (search: Record<string, unknown>): { first?: true | undefined } => ({ first: search['first'] === true ? true : undefined }),
  loader: ({ context, params }) => {
    beginAhead(context.queries, params.session);
    // Comes beside the page rather than after it.
    void import('./components/workspace/Editor');
    void import('./components/workspace/FileTree');
  },
  component: lazyRouteComponent(() => import('./pages/WorkspacePage'), 'WorkspacePage'),
});

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined);
const oneOf = <T extends string>(value: unknown, all: readonly T[]): T | undefined => all.find((one) => one === value);

const sessions = createRoute({
  getParentRoute: () => signedIn,
  path: '/sessions',
  validateSearch: (search: Record<string, unknown>): SessionSearch => ({
    show: oneOf(search['show'], ['all', ...SESSION_STATES] as const),
    name: text(search['name']),
    owner: text(search['owner']),
    language: text(search['language']),
    image: text(search['image']),
    project: text(search['project']),
    kind: oneOf(search['kind'], ['interactive', 'batch'] as const),
    order: oneOf(search['order'], SESSION_ORDERS),
  }),
  component: lazyRouteComponent(() => import('./pages/SessionsPage'), 'SessionsPage'),
});

const session = createRoute({
  getParentRoute: () => signedIn,
  path: '/sessions/$session',
  component: lazyRouteComponent(() => import('./pages/SessionPage'), 'SessionPage'),
});

const usage = createRoute({
  getParentRoute: () => signedIn,
  path: '/usage',
  validateSearch: (search: Record<string, unknown>): UsageSearch => ({
    by: oneOf(search['by'], USAGE_BY),
    days: USAGE_DAYS.find((days) => days === search['days']),
    user: text(search['user']),
    project: text(search['project']),
    measure: oneOf(search['measure'], MEASURE_NAMES),
  }),
  component: lazyRouteComponent(() => import('./pages/UsagePage'), 'UsagePage'),
});

const folders = createRoute({
  getParentRoute: () => signedIn,
  path: '/folders',
  validateSearch: (search: Record<string, unknown>): { trash?: true | undefined } => ({ trash: search['trash'] === true ? true : undefined }),
  component: lazyRouteComponent(() => import('./pages/FoldersPage'), 'FoldersPage'),
});

const folder = createRoute({
  getParentRoute: () => signedIn,
  path: '/folders/$folder',
  validateSearch: (search: Record<string, unknown>): { path?: string | undefined } => ({ path: text(search['path']) }),
  component: lazyRouteComponent(() => import('./pages/FolderPage'), 'FolderPage'),
});

const images = createRoute({ getParentRoute: () => signedIn, path: '/images', component: lazyRouteComponent(() => import('./pages/ImagesPage'), 'ImagesPage') });

const jobs = createRoute({ getParentRoute: () => signedIn, path: '/jobs', component: lazyRouteComponent(() => import('./pages/JobsPage'), 'JobsPage') });

const reservations = createRoute({ getParentRoute: () => signedIn, path: '/reservations', component: lazyRouteComponent(() => import('./pages/ReservationsPage'), 'ReservationsPage') });

const admin = createRoute({ getParentRoute: () => signedIn, path: '/admin', component: lazyRouteComponent(() => import('./pages/admin/AdminPage'), 'AdminPage') });

const adminHome = createRoute({
  getParentRoute: () => admin,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/admin/people' });
  },
});

const adminPages = [
  createRoute({ getParentRoute: () => admin, path: '/people', component: lazyRouteComponent(() => import('./pages/admin/PeoplePage'), 'PeoplePage') }),
  createRoute({ getParentRoute: () => admin, path: '/projects', component: lazyRouteComponent(() => import('./pages/admin/ProjectsPage'), 'ProjectsPage') }),
  createRoute({ getParentRoute: () => admin, path: '/policies', component: lazyRouteComponent(() => import('./pages/admin/PoliciesPage'), 'PoliciesPage') }),
  createRoute({ getParentRoute: () => admin, path: '/nodes', component: lazyRouteComponent(() => import('./pages/admin/NodesPage'), 'NodesPage') }),
  createRoute({ getParentRoute: () => admin, path: '/queue', component: lazyRouteComponent(() => import('./pages/admin/QueuePage'), 'QueuePage') }),
  createRoute({ getParentRoute: () => admin, path: '/audit', component: lazyRouteComponent(() => import('./pages/admin/AuditPage'), 'AuditPage') }),
  createRoute({ getParentRoute: () => admin, path: '/announcements', component: lazyRouteComponent(() => import('./pages/admin/AnnouncementsPage'), 'AnnouncementsPage') }),
  createRoute({ getParentRoute: () => admin, path: '/health', component: lazyRouteComponent(() => import('./pages/admin/HealthPage'), 'HealthPage') }),
] as const;

const settings = createRoute({ getParentRoute: () => signedIn, path: '/settings', component: lazyRouteComponent(() => import('./pages/settings/SettingsPage'), 'SettingsPage') });

const settingsHome = createRoute({
  getParentRoute: () => settings,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/settings/profile' });
  },
});

const settingsPages = [
  createRoute({ getParentRoute: () => settings, path: '/profile', component: lazyRouteComponent(() => import('./pages/settings/ProfilePage'), 'ProfilePage') }),
  createRoute({ getParentRoute: () => settings, path: '/keys', component: lazyRouteComponent(() => import('./pages/settings/KeysPage'), 'KeysPage') }),
  createRoute({ getParentRoute: () => settings, path: '/ssh', component: lazyRouteComponent(() => import('./pages/settings/SshPage'), 'SshPage') }),
  createRoute({ getParentRoute: () => settings, path: '/browsers', component: lazyRouteComponent(() => import('./pages/settings/BrowsersPage'), 'BrowsersPage') }),
  createRoute({ getParentRoute: () => settings, path: '/dotfiles', component: lazyRouteComponent(() => import('./pages/settings/DotfilesPage'), 'DotfilesPage') }),
] as const;

/** Whatever else; who has not signed in is not told what there is. */
const nowhere = createRoute({ getParentRoute: () => signedIn, path: '$', component: NotFoundPage });

const tree = root.addChildren([signin, link, shared, signedIn.addChildren([home, workspace, sessions, session, folders, folder, images, jobs, reservations, usage, settings.addChildren([settingsHome, ...settingsPages]), admin.addChildren([adminHome, ...adminPages]), nowhere])]);

export function newRouter(queries: QueryClient) {
  return createRouter({ routeTree: tree, context: { queries }, defaultPreload: 'intent', scrollRestoration: false });
}

/** Nobody is sent elsewhere by an address that somebody else made. */
function isOwnAddress(to: unknown): to is string {
  return typeof to === 'string' && to.startsWith('/') && !to.startsWith('//') && !to.includes('\\');
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof newRouter>;
  }
}
