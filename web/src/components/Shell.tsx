import { useQueryClient } from '@tanstack/react-query';
import { CatchBoundary, Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { client } from '../api/client';
import type { Schema } from '../api/client';
import { useText } from '../i18n/text';
import { FailurePage } from '../pages/FailurePage';
import { keepHere } from '../stores/here';
import { IconButton } from '../ui/Button';
import { Menu } from '../ui/Menu';
import { Logo } from './Logo';
import { Connection } from './Connection';
import { SettingsMenus } from './SettingsMenus';
import { ShellNav } from './ShellNav';
import styles from './Shell.module.css';

/** What stands around every page of somebody who has signed in. */
export function Shell({ signin }: { signin: Schema['SigninView'] }) {
  const t = useText();
  const content = useFocusKept();
  // A page that failed is begun anew when another one, or the same once more, is gone to.
  const reset = useRouterState({ select: ({ resolvedLocation }) => resolvedLocation });
  useEffect(() => { keepHere(signin.user); }, [signin.user]);
  return (
    <div className={styles['shell']}>
      <a className={styles['skip']} href="#content">
        {t('app.skip')}
      </a>
      <header className={styles['bar']}>
        <Link to="/" className={styles['home'] ?? ''} aria-label={t('app.name')}>
          <Logo />
          <span className={styles['name']}>{t('app.name')}</span>
        </Link>
        <ShellNav role={signin.role} />
        <SettingsMenus />
        <AccountMenu name={signin.name} />
      </header>
      <Connection />
      <main ref={content} id="content" tabIndex={-1} className={styles['content']}>
        <CatchBoundary getResetKey={() => reset} errorComponent={FailurePage}>
          <Outlet />
        </CatchBoundary>
      </main>
    </div>
  );
}

/** Where a page is gone to from what goes with the one before, the focus is on the new one: readers say it, and Tab goes on in it. */
function useFocusKept() {
  const content = useRef<HTMLElement>(null);
  const pathname = useRouterState({ select: ({ resolvedLocation }) => resolvedLocation?.pathname });
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current !== undefined && before.current !== pathname && document.activeElement === document.body) content.current?.focus({ preventScroll: true });
    before.current = pathname;
  }, [pathname]);
  return content;
}

function AccountMenu({ name }: { name: string }) {
  const t = useText();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const signOut = async () => {
    await client.DELETE('/api/v1/signin');
    keepHere(null);
    queries.clear();
    await navigate({ to: '/signin' });
  };
  return (
    <Menu
      label={t('account.menu', { name })}
      trigger={<IconButton icon="person" label={t('account.menu', { name })} />}
      choices={[{ id: 'settings', label: t('nav.settings') }, { id: 'sign-out', label: t('account.signOut') }]}
      onChoose={(id) => void (id === 'settings' ? navigate({ to: '/settings/profile' }) : signOut())}
    />
  );
}
