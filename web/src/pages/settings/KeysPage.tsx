import { Tokens } from '../../components/settings/Tokens';
import { AccessKeys } from '../../components/settings/AccessKeys';
import styles from '../../components/console/console.module.css';
import { useText } from '../../i18n/console';

/** With what one's own programs sign in. */
export function KeysPage() {
  const t = useText();
  return (
    <div className={styles['page']}>
      <h1>{t('settings.keys')}</h1>
      <Tokens />
      <AccessKeys />
    </div>
  );
}
