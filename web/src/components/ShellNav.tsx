import { Link, useNavigate, useRouterState, type LinkProps } from '@tanstack/react-router';
import { useText } from '../i18n/text';
import type { MessageId } from '../i18n/text';
import { IconButton } from '../ui/Button';
import { Menu } from '../ui/Menu';
import { isAdministrator } from './roles';
import styles from './Shell.module.css';

type Place = { to: NonNullable<LinkProps['to']>; label: MessageId; isFor?: (role: string) => boolean; parts?: readonly string[] };

const PLACES: readonly Place[] = [
  { to: '/', label: 'nav.workspaces' },
  { to: '/sessions', label: 'nav.sessions', parts: ['/jobs', '/reservations'] },
  { to: '/folders', label: 'nav.folders' },
  { to: '/images', label: 'nav.images' },
  { to: '/usage', label: 'nav.usage' },
  { to: '/admin', label: 'nav.admin', isFor: isAdministrator },
];

/** Where one can go: in a row, and on small screens in a menu. Nobody is shown what the role may not see. */
export function ShellNav({ role }: { role: string }) {
  const t = useText();
  const navigate = useNavigate();
  const pathname = useRouterState({ select: ({ location }) => location.pathname });
  const places = PLACES.filter(({ isFor }) => isFor?.(role) ?? true);
  return (
    <nav aria-label={t('app.navigation')} className={styles['nav']}>
      <div className={styles['small']}>
        <Menu
          label={t('app.navigation')}
          trigger={<IconButton icon="menu" label={t('nav.menu')} />}
          choices={places.map(({ to, label }) => ({ id: to, label: t(label) }))}
          onChoose={(to) => void navigate({ to })}
        />
      </div>
      <div className={styles['large']}>
        {places.map(({ to, label, parts }) => (
          <Link key={to} to={to} {...(parts?.includes(pathname) ? { 'data-status': 'active' } : {})} activeOptions={{ exact: to === '/' }} className={styles['link'] ?? ''}>
            {t(label)}
          </Link>
        ))}
      </div>
    </nav>
  );
}
