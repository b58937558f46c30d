import { useQuery } from '@tanstack/react-query';
import { useIntl } from 'react-intl';
import { projectsQuery } from '../../api/admin-queries';
import { sessionCountQuery } from '../../api/overview-queries';
import { budgetsQuery, usageQuery } from '../../api/usage-queries';
import { useText } from '../../i18n/console';
import { money, span } from '../../ui/format';
import { ProblemNotice } from '../ProblemNotice';
import { Tile } from './Tile';
import styles from './home.module.css';

const DAYS = 7;

/** The projects that somebody manages: a class, a group. */
export function ProjectsOverview({ projects }: { projects: readonly string[] }) {
  const { data = [] } = useQuery(projectsQuery);
  return projects.map((id) => <Project key={id} id={id} name={data.find((project) => project.id === id)?.name ?? id} />);
}

function Project({ id, name }: { id: string; name: string }) {
  const t = useText();
  const intl = useIntl();
  const sessions = useQuery(sessionCountQuery({ project: id }));
  const waiting = useQuery(sessionCountQuery({ project: id, show: 'queued' }));
  const usage = useQuery(usageQuery({ by: 'user', days: DAYS, project: id }));
  const { data: budgets = [] } = useQuery(budgetsQuery);
  const budget = budgets.find(({ project }) => project === id);
  const cpuMs = usage.data?.items.reduce((sum, { cpu_user_us, cpu_system_us }) => sum + (cpu_user_us + cpu_system_us) / 1_000, 0) ?? 0;
  const costMicro = usage.data?.items.reduce((sum, { cost_micro }) => sum + cost_micro, 0) ?? 0;
  const title = t('overview.project', { name });
  return (
    <section className={styles['part']} aria-label={title}>
      <h2>{title}</h2>
      <ProblemNotice error={sessions.error ?? usage.error} />
      <div className={styles['tiles']}>
        {sessions.data && <Tile label={t('nav.sessions')} value={sessions.data.text(intl)} note={t('overview.sessions')} to="/sessions" search={{ project: id }} />}
        {waiting.data && <Tile label={t('queue.waiting')} value={waiting.data.text(intl)} note={t(waiting.data.count > 0 ? 'overview.queue.some' : 'queue.none')} tone={waiting.data.count > 0 ? 'warm' : 'good'} to="/sessions" search={{ project: id, show: 'queued' }} />}
        {usage.data && <Tile label={t('usage.measure.cpu')} value={span(intl, cpuMs)} note={t('usage.days', { days: DAYS })} to="/usage" search={{ by: 'user', days: DAYS, project: id }} />}
        {usage.data && <Tile label={t('overview.active')} value={intl.formatNumber(usage.data.items.length)} note={t('usage.days', { days: DAYS })} to="/usage" search={{ by: 'user', days: DAYS, project: id, measure: 'records' }} />}
        {usage.data?.currency && <Tile label={t('usage.measure.cost')} value={money(intl, costMicro, usage.data.currency)} note={budget ? t('cost.of', { spent: money(intl, budget.spent_micro, budget.currency), limit: money(intl, budget.limit_micro, budget.currency) }) : t('usage.days', { days: DAYS })} tone={budget && budget.level !== 'open' ? 'warm' : 'good'} to="/usage" search={{ by: 'user', days: DAYS, project: id }} />}
      </div>
    </section>
  );
}
