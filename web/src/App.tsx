import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useState } from 'react';
import { isPassing, isSignedOut } from './api/problem';
import { signinQuery } from './api/queries';
import { TextProvider } from './i18n/text';
import { newRouter } from './routes';

const RETRIES_MAX = 2;

/** What the whole page holds on to. Whoever is signed out while a page is open is asked to sign in, and comes back to it. */
function begin() {
  const queryCache = new QueryCache({
    onError: (error) => {
      const { pathname, href } = router.state.location;
      if (!isSignedOut(error) || pathname.startsWith('/signin')) return;
      queries.removeQueries({ queryKey: signinQuery.queryKey });
      void router.navigate({ to: '/signin', search: { to: href }, replace: true });
    },
  });
  const queries = new QueryClient({
    queryCache,
    defaultOptions: { queries: { retry: (count, error) => count < RETRIES_MAX && isPassing(error), staleTime: 1_000 } },
  });
  const router = newRouter(queries);
  return { queries, router };
}

export function App() {
  const [{ queries, router }] = useState(begin);
  return (
    <TextProvider>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </TextProvider>
  );
}
