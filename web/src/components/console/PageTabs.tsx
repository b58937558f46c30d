import { Link, type LinkProps } from '@tanstack/react-router';
import styles from './PageTabs.module.css';

export type PageTab = { to: NonNullable<LinkProps['to']>; label: string; search?: Record<string, unknown> };

/** Parts of a page, each with an address of its own. */
export function PageTabs({ label, tabs }: { label: string; tabs: readonly PageTab[] }) {
  return (
    <nav aria-label={label} className={styles['tabs']}>
      {tabs.map(({ to, label, search }) => (
        <Link key={label} to={to} {...(search ? { search } : {})} activeOptions={{ exact: search !== undefined, includeSearch: search !== undefined }} className={styles['tab'] ?? ''}>{label}</Link>
      ))}
    </nav>
  );
}
