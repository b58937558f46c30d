import { useQuery } from '@tanstack/react-query';
import { meQuery } from '../../api/folders';
import { isAdministrator, isSystemAdministrator } from '../roles';
import { OrganizationOverview } from './OrganizationOverview';
import { ProjectsOverview } from './ProjectsOverview';
import { ServiceOverview } from './ServiceOverview';

/** What whoever answers for others looks at first: their projects, their organization, the service. Nothing for everybody else. */
export function Overview() {
  const { data: me } = useQuery(meQuery);
  if (!me) return null;
  const managed = me.memberships.filter(({ role }) => role === 'project-manager').map(({ project }) => project);
  return (
    <>
      {isSystemAdministrator(me.role) && <ServiceOverview />}
      {isAdministrator(me.role) && !isSystemAdministrator(me.role) && <OrganizationOverview />}
      {managed.length > 0 && <ProjectsOverview projects={managed} />}
    </>
  );
}
