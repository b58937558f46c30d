import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { runSharesQuery, shareRun, unshareRun } from '../../api/run-history';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/text';
import { Button } from '../../ui/Button';
import { copyText } from '../../ui/clipboard';
import { Dialog, DialogActions } from '../../ui/Dialog';
import { TextField } from '../../ui/TextField';
import { Ago } from '../Ago';
import { ProblemNotice } from '../ProblemNotice';
import styles from './ShareDialog.module.css';

const DAYS = 7;

/** Links to one run: made, copied, taken back. */
export function ShareDialog({ run, onClose }: { run: string; onClose: () => void }) {
  const t = useText();
  const { data = [] } = useQuery(runSharesQuery(run));
  const [url, setUrl] = useState<string | null>(null);
  const [isCopied, setCopied] = useState(false);
  const make = useAct(() => shareRun(run, DAYS), ['run-shares'], (made) => { setUrl(made.url ?? null); setCopied(false); });
  const remove = useAct((share: string) => unshareRun(run, share), ['run-shares'], () => { setUrl(null); });
  return (
    <Dialog title={t('share.title')} isOpen onClose={onClose}>
      <p>{t('share.text', { days: DAYS })}</p>
      <ProblemNotice error={make.error ?? remove.error} />
      {url !== null && (
        <div className={styles['made']}>
          <TextField label={t('share.link')} value={url} isReadOnly onFocus={(event) => { (event.target as HTMLInputElement).select(); }} />
          <Button onPress={() => void copyText(url).then(setCopied)}>{t(isCopied ? 'share.copied' : 'share.copy')}</Button>
        </div>
      )}
      {data.length > 0 && (
        <ul className={styles['list']} aria-label={t('share.list')}>
          {data.map(({ id, expires_at }) => (
            <li key={id} className={styles['row']}>
              <span>{t('share.ends')} <Ago time={expires_at} /></span>
              <Button small look="danger" isDisabled={remove.isPending} onPress={() => { remove.mutate(id); }}>{t('share.remove')}</Button>
            </li>
          ))}
        </ul>
      )}
      <DialogActions>
        <Button onPress={onClose}>{t('app.close')}</Button>
        <Button look="primary" isPending={make.isPending} onPress={() => { make.mutate(); }}>{t('share.make')}</Button>
      </DialogActions>
    </Dialog>
  );
}
