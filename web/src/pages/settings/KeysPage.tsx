import { Tokens } from '../../components/settings/Tokens';
import { AccessKeys } from '../../components/settings/AccessKeys';
import styles from '../../components/console/console.module.css';
import { useText } from '../../i18n/console';
import { PageHeading } from '../../ui/PageHeading';

/** With what one's own programs sign in. */
export function KeysPage() {
  const t = useText();
  return (
    <div className={styles['page']}>
      <PageHeading>{t('settings.keys')}</PageHeading>
      <Tokens />
      <AccessKeys />
    </div>
  );
}
