import { useState } from 'react';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { copyText } from '../../ui/clipboard';
import { Dialog, DialogActions } from '../../ui/Dialog';
import { Notice } from '../../ui/Notice';
import styles from './console.module.css';

/** A secret that nobody can be shown again. */
export function OnceDialog({ title, text, secret, onClose }: { title: string; text?: string; secret: string; onClose: () => void }) {
  const t = useText();
  const [isCopied, setCopied] = useState(false);
  return (
    <Dialog title={title} isOpen onClose={onClose} wide>
      {text && <p>{text}</p>}
      <code className={styles['secret']}>{secret}</code>
      <Notice tone="warm">{t('admin.once')}</Notice>
      <DialogActions>
        <Button icon={isCopied ? 'check' : 'file'} onPress={() => void copyText(secret).then(setCopied)}>{t(isCopied ? 'admin.copied' : 'admin.copy')}</Button>
        <Button look="primary" onPress={onClose}>{t('admin.done')}</Button>
      </DialogActions>
    </Dialog>
  );
}
