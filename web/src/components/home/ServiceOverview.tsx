import { useQuery } from '@tanstack/react-query';
import { useIntl } from 'react-intl';
import { allAnnouncementsQuery, groupsQuery, nodesQuery, processesQuery, serviceQuery } from '../../api/admin-queries';
import { usersQuery } from '../../api/queries';
import { useText } from '../../i18n/console';
import { ProblemNotice } from '../ProblemNotice';
import { Tile } from './Tile';
import styles from './home.module.css';

/** How the service is: what it takes, what fails, who waits, which machines answer, what people are told. */
export function ServiceOverview() {
  const t = useText();
  const intl = useIntl();
  const service = useQuery(serviceQuery);
  const nodes = useQuery(nodesQuery);
  const groups = useQuery(groupsQuery);
  const { data: processes = [] } = useQuery(processesQuery);
  const { data: announcements = [] } = useQuery(allAnnouncementsQuery);
  const { data: users = [] } = useQuery(usersQuery);
  const failing = processes.flatMap(({ tasks }) => tasks.filter(({ failures_in_a_row }) => failures_in_a_row > 0).map(({ name }) => name));
  const here = nodes.data?.filter(({ presence }) => presence === 'here') ?? [];
  const closed = here.filter(({ state }) => state !== 'schedulable').length;
  const waiting = groups.data?.reduce((sum, group) => sum + group.waiting, 0) ?? 0;
  const now = Date.now();
  const told = announcements.filter(({ from, until }) => Date.parse(from) <= now && !(until && Date.parse(until) <= now));
  const people = users.filter(({ archived_at }) => !archived_at);
  const sessions = nodes.data?.reduce((sum, node) => sum + node.sessions, 0) ?? 0;
  const isRunning = service.data?.state === 'running';
  return (
    <section className={styles['part']} aria-label={t('overview.service')}>
      <h2>{t('overview.service')}</h2>
      <ProblemNotice error={service.error ?? nodes.error ?? groups.error} />
      <div className={styles['tiles']}>
        {service.data && <Tile label={t('overview.health')} value={t(`health.service.${service.data.state}`)} note={failing.length > 0 ? t('overview.failing', { count: failing.length, tasks: failing.slice(0, 3).join(', ') }) : t('overview.failing.none')} tone={!isRunning ? 'warm' : failing.length > 0 ? 'bad' : 'good'} to="/admin/health" />}
        {nodes.data && <Tile label={t('admin.nodes')} value={t('nodes.of', { used: intl.formatNumber(here.length), all: intl.formatNumber(nodes.data.length) })} note={closed > 0 ? t('overview.nodes.closed', { count: closed }) : t('overview.nodes.answer')} tone={here.length < nodes.data.length ? 'bad' : closed > 0 ? 'warm' : 'good'} to="/admin/nodes" />}
        {groups.data && <Tile label={t('admin.queue')} value={intl.formatNumber(waiting)} note={t(waiting > 0 ? 'overview.queue.some' : 'queue.none')} tone={waiting > 0 ? 'warm' : 'good'} to="/admin/queue" />}
        <Tile label={t('nav.sessions')} value={intl.formatNumber(sessions)} note={t('overview.sessions')} to="/sessions" />
        <Tile label={t('admin.people')} value={intl.formatNumber(people.length)} note={t('overview.people', { count: people.filter(({ suspended_at }) => suspended_at).length })} to="/admin/people" />
        <Tile label={t('admin.announcements')} value={intl.formatNumber(told.length)} note={t(told.length > 0 ? 'overview.told' : 'overview.told.none')} to="/admin/announcements" />
      </div>
    </section>
  );
}
