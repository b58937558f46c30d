import { Link, useRouterState, type LinkProps } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import styles from './PageTabs.module.css';

export type PageTab = { to: NonNullable<LinkProps['to']>; label: string; search?: Record<string, unknown> };

/** Parts of a page, each with an address of its own. */
export function PageTabs({ label, tabs }: { label: string; tabs: readonly PageTab[] }) {
  const row = useRef<HTMLElement>(null);
  const pathname = useRouterState({ select: ({ location }) => location.href });
  // On a phone the row is wider than the screen.
  useEffect(() => { row.current?.querySelector('[aria-current=page]')?.scrollIntoView({ block: 'nearest', inline: 'center' }); }, [pathname]);
  return (
    <nav ref={row} aria-label={label} className={styles['tabs']}>
      {tabs.map(({ to, label, search }) => (
        <Link key={label} to={to} {...(search ? { search } : {})} activeOptions={{ exact: search !== undefined, includeSearch: search !== undefined }} className={styles['tab'] ?? ''}>{label}</Link>
      ))}
    </nav>
  );
}
