import { useQuery } from '@tanstack/react-query';
import { useIntl } from 'react-intl';
import { sharedRunQuery } from '../api/run-history';
import { Logo } from '../components/Logo';
import { RunTold } from '../components/RunTold';
import { SettingsMenus } from '../components/SettingsMenus';
import { useText } from '../i18n/text';
import { moment } from '../ui/format';
import { Notice } from '../ui/Notice';
import { PageHeading } from '../ui/PageHeading';
import { shown } from '../workspace/names';
import styles from './SharedRunPage.module.css';

/** One run, for whoever has a link to it, whose secret stands behind `#`, which no server sees in an address. */
export function SharedRunPage() {
  const t = useText();
  const intl = useIntl();
  const { data, error } = useQuery(sharedRunQuery(location.hash.slice(1)));
  const isMissing = location.hash.length < 2;
  return (
    <div className={styles['page']}>
      <header className={styles['bar']}>
        <Logo size={26} />
        <span className={styles['name']}>{t('app.name')}</span>
        <SettingsMenus />
      </header>
      <main className={styles['main']}>
        <PageHeading>{data?.title ? shown(data.title) : t('shared.title')}</PageHeading>
        {(error !== null || isMissing) && <Notice tone="warm">{t('shared.gone')}</Notice>}
        {data && (
          <>
            <p className={styles['lead']}>{t('shared.lead', { at: moment(intl, data.created_at), until: moment(intl, data.expires_at) })}</p>
            <RunTold given={data.given ?? null} result={data} />
          </>
        )}
        {!data && !error && !isMissing && <p>{t('app.loading')}</p>}
      </main>
    </div>
  );
}
