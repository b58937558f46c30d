import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { rememberCsrf, type Schema } from '../api/client';
import { signinQuery } from '../api/queries';

/** Goes on as whoever has signed in just now; nothing that somebody else saw here stays. */
export function useEnter(): (signin: Schema['SigninView'], to: string) => Promise<void> {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return async (signin, to) => {
    queries.clear();
    rememberCsrf(signin.csrf);
    queries.setQueryData(signinQuery.queryKey, signin);
    await navigate({ href: to, replace: true });
  };
}
