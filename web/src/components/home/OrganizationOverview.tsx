import { useQuery } from '@tanstack/react-query';
import { useIntl } from 'react-intl';
import { groupsQuery, projectsQuery } from '../../api/admin-queries';
import { sessionCountQuery } from '../../api/overview-queries';
import { usersQuery } from '../../api/queries';
import { useText } from '../../i18n/console';
import { ProblemNotice } from '../ProblemNotice';
import { Tile } from './Tile';
import styles from './home.module.css';

/** What the people of an organization do. */
export function OrganizationOverview() {
  const t = useText();
  const intl = useIntl();
  const sessions = useQuery(sessionCountQuery({}));
  const { data: users = [] } = useQuery(usersQuery);
  const { data: projects = [] } = useQuery(projectsQuery);
  const { data: groups = [] } = useQuery(groupsQuery);
  const waiting = groups.reduce((sum, group) => sum + group.waiting, 0);
  const isThere = ({ archived_at }: { archived_at?: string | null }) => !archived_at;
  return (
    <section className={styles['part']} aria-label={t('overview.organization')}>
      <h2>{t('overview.organization')}</h2>
      <ProblemNotice error={sessions.error} />
      <div className={styles['tiles']}>
        {sessions.data && <Tile label={t('nav.sessions')} value={sessions.data.text(intl)} note={t('overview.sessions')} to="/sessions" />}
        <Tile label={t('admin.people')} value={intl.formatNumber(users.filter(isThere).length)} note={t('overview.people', { count: users.filter(({ suspended_at }) => suspended_at).length })} to="/admin/people" />
        <Tile label={t('admin.projects')} value={intl.formatNumber(projects.filter(isThere).length)} to="/admin/projects" />
        <Tile label={t('admin.queue')} value={intl.formatNumber(waiting)} note={t(waiting > 0 ? 'overview.queue.some' : 'queue.none')} tone={waiting > 0 ? 'warm' : 'good'} to="/admin/queue" />
      </div>
    </section>
  );
}
