import { useIntl } from 'react-intl';
import type { Upload } from '../../hooks/use-uploads';
import { useText } from '../../i18n/console';
import { Button, IconButton } from '../../ui/Button';
import { bytes } from '../../ui/format';
import { ProblemText } from '../ProblemText';
import styles from '../console/console.module.css';
import own from './folders.module.css';

/** How far each file has come. */
export function UploadList({ uploads, onStop, onClear }: { uploads: readonly Upload[]; onStop: (id: number) => void; onClear: () => void }) {
  const t = useText();
  const intl = useIntl();
  if (uploads.length === 0) return null;
  const text = ({ state, sent, size, error }: Upload) => {
    if (state === 'done') return `${bytes(intl, size)}, ${t('upload.done')}`;
    if (state === 'failed') return <>{t('upload.failed')} {error && <ProblemText error={error} />}</>;
    return t('upload.of', { sent: bytes(intl, sent), size: bytes(intl, size) });
  };
  return (
    <section aria-label={t('upload.title')} className={own['lines']}>
      <ul className={own['lines']}>
        {uploads.map((upload) => (
          <li key={upload.id} className={own['upload']}>
            <span>{upload.name}</span>
            <span className={styles['fine']} role={upload.state === 'failed' ? 'alert' : undefined}>{text(upload)}</span>
            {upload.state === 'going' ? <IconButton icon="close" label={t('upload.cancel', { name: upload.name })} onPress={() => { onStop(upload.id); }} /> : <span />}
            {upload.state === 'going' && <progress aria-label={upload.name} value={upload.sent} max={Math.max(1, upload.size)} />}
          </li>
        ))}
      </ul>
      {uploads.some(({ state }) => state !== 'going') && <div><Button small onPress={onClear}>{t('upload.clear')}</Button></div>}
    </section>
  );
}
