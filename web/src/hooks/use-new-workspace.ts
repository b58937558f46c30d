import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { body, client } from '../api/client';
import { sessionQuery } from '../api/queries';

type Wanted = { language: string; name?: string };

/** Makes a session and goes there; its first program is written by the workspace, once the session runs. */
export function useNewWorkspace() {
  const navigate = useNavigate();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ language, name }: Wanted) =>
      body(client.POST('/api/v1/sessions', { body: { language, ...(name ? { name } : {}) } })),
    onSuccess: async (made) => {
      if (!('id' in made)) return;
      queries.setQueryData(sessionQuery(made.id).queryKey, made);
      await navigate({ to: '/w/$session', params: { session: made.id }, search: { first: true } });
    },
  });
}
