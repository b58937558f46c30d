import { useText } from '../../i18n/console';
import { PageTabs } from '../console/PageTabs';

/** What runs now, what runs by itself, and what is promised. */
export function PlanTabs() {
  const t = useText();
  return <PageTabs label={t('plan.parts')} tabs={[{ to: '/sessions', label: t('nav.sessions') }, { to: '/jobs', label: t('jobs.title') }, { to: '/reservations', label: t('reservations.title') }]} />;
}
