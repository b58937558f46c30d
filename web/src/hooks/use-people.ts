import { useQueries, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { membersQuery } from '../api/admin-queries';
import { meQuery } from '../api/folders';
import { usersQuery } from '../api/queries';

export type Person = { id: string; name: string };

/** Whom one may know of: those that the server lists, and the members of projects that one manages. */
export function usePeople(): readonly Person[] {
  const { data: users } = useQuery(usersQuery);
  const { data: me } = useQuery(meQuery);
  const managed = me?.memberships.filter(({ role }) => role === 'project-manager').map(({ project }) => project) ?? [];
  const members = useQueries({ queries: managed.map(membersQuery), combine: (lists) => lists.flatMap(({ data }) => data ?? []) });
  return useMemo(() => {
    const names = new Map([...members.map(({ user, name }): [string, string] => [user, name]), ...(users ?? []).map(({ id, name }): [string, string] => [id, name])]);
    return [...names].map(([id, name]) => ({ id, name })).sort((one, other) => one.name.localeCompare(other.name));
  }, [members, users]);
}
