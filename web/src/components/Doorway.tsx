import type { ReactNode } from 'react';
import { useText } from '../i18n/text';
import { Logo } from './Logo';
import { SettingsMenus } from './SettingsMenus';
import { PageHeading } from '../ui/PageHeading';
import styles from './Doorway.module.css';

/** What stands around the pages of whoever has not signed in. */
export function Doorway({ title, lead, children }: { title: string; lead: ReactNode; children: ReactNode }) {
  const t = useText();
  return (
    <div className={styles['doorway']}>
      <header className={styles['bar']}>
        <SettingsMenus />
      </header>
      <main className={styles['card']}>
        <div className={styles['sign']}>
          <Logo size={40} />
          <span>{t('app.name')}</span>
        </div>
        <PageHeading className={styles['title']}>{title}</PageHeading>
        <p className={styles['lead']}>{lead}</p>
        {children}
      </main>
    </div>
  );
}
