import { useText } from '../../i18n/text';
import { Dialog } from '../../ui/Dialog';
import { SHORTCUTS } from '../../workspace/shortcuts';
import styles from './ShortcutsDialog.module.css';

/** Which keys do what. */
export function ShortcutsDialog({ onClose }: { onClose: () => void }) {
  const t = useText();
  return (
    <Dialog title={t('shortcuts.title')} isOpen onClose={onClose}>
      <dl className={styles['list']}>
        {Object.values(SHORTCUTS).map(({ keys, label }) => (
          <div key={label} className={styles['row']}>
            <dt>{t(label)}</dt>
            <dd>{keys.split(', ').map((one) => <kbd key={one} className={styles['keys']}>{one}</kbd>)}</dd>
          </div>
        ))}
      </dl>
      <p className={styles['note']}>{t('shortcuts.note')}</p>
    </Dialog>
  );
}
