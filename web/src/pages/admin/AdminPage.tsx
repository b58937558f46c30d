import { Outlet, type LinkProps } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { signinQuery } from '../../api/queries';
import { PageTabs } from '../../components/console/PageTabs';
import page from '../../components/console/console.module.css';
import { useText, type MessageId } from '../../i18n/console';
import { isAdministrator, isSystemAdministrator } from '../../components/roles';
import { Notice } from '../../ui/Notice';

type Part = { to: NonNullable<LinkProps['to']>; label: MessageId; isSystem?: true };

const PARTS: readonly Part[] = [
  { to: '/admin/people', label: 'admin.people' },
  { to: '/admin/projects', label: 'admin.projects' },
  { to: '/admin/policies', label: 'admin.policies' },
  { to: '/admin/nodes', label: 'admin.nodes', isSystem: true },
  { to: '/admin/queue', label: 'admin.queue' },
  { to: '/admin/audit', label: 'admin.audit' },
  { to: '/admin/announcements', label: 'admin.announcements', isSystem: true },
  { to: '/admin/health', label: 'admin.health', isSystem: true },
];

/** What administrators steer, as far as the role may see it; the server decides again at every request. */
export function AdminPage() {
  const t = useText();
  const { data: signin } = useQuery(signinQuery);
  const role = signin?.role ?? '';
  if (!isAdministrator(role)) return <div className={page['page']}><Notice tone="warm">{t('admin.forbidden')}</Notice></div>;
  return (
    <>
      <PageTabs label={t('admin.navigation')} tabs={PARTS.filter(({ isSystem }) => !isSystem || isSystemAdministrator(role)).map(({ to, label }) => ({ to, label: t(label) }))} />
      <Outlet />
    </>
  );
}
