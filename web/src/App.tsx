import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useState } from 'react';
import { isPassing } from './api/problem';
import { TextProvider } from './i18n/text';
import { newRouter } from './routes';

const RETRIES_MAX = 2;

export function App() {
  const [queries] = useState(
    () => new QueryClient({ defaultOptions: { queries: { retry: (count, error) => count < RETRIES_MAX && isPassing(error), staleTime: 1_000 } } }),
  );
  const [router] = useState(() => newRouter(queries));
  return (
    <TextProvider>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </TextProvider>
  );
}
