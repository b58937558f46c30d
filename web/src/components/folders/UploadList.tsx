import { useIntl } from 'react-intl';
import type { Upload } from '../../hooks/use-uploads';
import { useText } from '../../i18n/console';
import { Button, IconButton } from '../../ui/Button';
import { bytes } from '../../ui/format';
import { ProblemText } from '../ProblemText';
import styles from '../console/console.module.css';
import { shown } from '../../workspace/names';
import own from './folders.module.css';

/** Of many, those that failed are shown before those that go on, and those before what is done. */
const SHOWN_MAX = 50;
const RANK = { failed: 0, going: 1, done: 2 } as const;

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
  const first = uploads.length <= SHOWN_MAX ? uploads : uploads.toSorted((one, other) => RANK[one.state] - RANK[other.state]).slice(0, SHOWN_MAX);
  return (
    <section aria-label={t('upload.title')} className={own['lines']}>
      <ul className={own['lines']}>
        {first.map((upload) => (
          <li key={upload.id} className={own['upload']}>
            <span>{shown(upload.name)}</span>
            <span className={styles['fine']} role={upload.state === 'failed' ? 'alert' : undefined}>{text(upload)}</span>
            {upload.state === 'going' ? <IconButton icon="close" label={t('upload.cancel', { name: shown(upload.name) })} onPress={() => { onStop(upload.id); }} /> : <span />}
            {upload.state === 'going' && <progress aria-label={shown(upload.name)} value={upload.sent} max={Math.max(1, upload.size)} />}
          </li>
        ))}
      </ul>
      {first.length < uploads.length && <p className={styles['fine']}>{t('upload.more', { count: uploads.length - first.length })}</p>}
      {uploads.some(({ state }) => state !== 'going') && <div><Button small onPress={onClear}>{t('upload.clear')}</Button></div>}
    </section>
  );
}
