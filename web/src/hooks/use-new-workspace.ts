import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { body, client, type Schema } from '../api/client';
import { Problem } from '../api/problem';
import { sessionQuery, sessionsQuery } from '../api/queries';

/** Makes a session and goes there; its first program is written by the workspace, once the session runs. */
export function useNewWorkspace() {
  const navigate = useNavigate();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ language, folder, image }: { language: string; folder?: string; image?: string }) => {
      const also = { ...(folder ? { mounts: [{ folder }] } : {}), ...(image ? { image } : {}) };
      const known = queries.getQueriesData<Schema['Page_SessionView']>({ queryKey: sessionsQuery.queryKey });
      const taken = new Set(known.flatMap(([, page]) => page?.items.map(({ name }) => name) ?? []));
      const make = (asked: { language: string; name?: string }) => body(client.POST('/api/v1/sessions', { body: { ...asked, ...also } }));
      // The name may be taken by a session that is not in the list; then the server names it.
      return make({ language, name: nameFor(language, taken) }).catch((error: unknown) => {
        if (error instanceof Problem && error.status === 409) return make({ language });
        throw error;
      });
    },
    onSuccess: async (made) => {
      if (!('id' in made)) return;
      queries.setQueryData(sessionQuery(made.id).queryKey, made);
      await navigate({ to: '/w/$session', params: { session: made.id }, search: { first: true } });
    },
  });
}

function nameFor(language: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number += 1) if (!taken.has(`${language}-${String(number)}`)) return `${language}-${String(number)}`;
}
