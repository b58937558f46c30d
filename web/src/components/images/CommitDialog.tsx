import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { body, client, type Schema } from '../../api/client';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { CheckBox } from '../../ui/CheckBox';
import { Dialog, DialogActions } from '../../ui/Dialog';
import { bytes, span } from '../../ui/format';
import { Notice } from '../../ui/Notice';
import { TextField } from '../../ui/TextField';
import { shown } from '../../workspace/names';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';

const NAMED_MAX = 12;

/** Makes an image of a session, and says what is in it and what is not. */
export function CommitDialog({ session, onClose }: { session: Schema['SessionView']; onClose: () => void }) {
  const t = useText();
  const [made, setMade] = useState<Schema['SessionCommitted'] | null>(null);
  const commit = useAct((asked: Schema['SessionCommit']) => body(client.POST('/api/v1/sessions/{id}/commit', { params: { path: { id: session.id } }, body: asked })), ['images'], setMade);
  if (made) return <Made made={made} onClose={onClose} />;
  return (
    <FormDialog title={t('commit.title', { name: session.name })} submit={t('commit.submit')} act={commit} onSubmit={(given) => { commit.mutate({ name: typed(given, 'name') ?? '', allow_secrets: given.get('secrets') !== null }); }} onClose={onClose}>
      <p>{t('commit.text')}</p>
      <TextField label={t('commit.name')} name="name" hint={t('tokens.name.hint')} defaultValue={session.name} isRequired autoComplete="off" />
      <div>
        <CheckBox name="secrets">{t('commit.secrets')}</CheckBox>
        <p className={styles['fine']}>{t('commit.secrets.hint')}</p>
      </div>
    </FormDialog>
  );
}

function Made({ made, onClose }: { made: Schema['SessionCommitted']; onClose: () => void }) {
  const t = useText();
  const intl = useIntl();
  const { image, frozen_ms, left_out, left_out_count, secrets, secret_count } = made;
  return (
    <Dialog title={image.name} isOpen onClose={onClose}>
      <p>{t('commit.done', { name: image.name, size: bytes(intl, image.size_bytes), time: span(intl, frozen_ms) })}</p>
      {secret_count > 0 && <Notice tone="warm">{t('commit.inIt', { count: secret_count })}<Names files={secrets} /></Notice>}
      {left_out_count > 0 && <Notice>{t('commit.leftOut', { count: left_out_count })}<Names files={left_out} /></Notice>}
      <DialogActions>
        <Link to="/images">{t('commit.see')}</Link>
        <Button look="primary" onPress={onClose}>{t('admin.done')}</Button>
      </DialogActions>
    </Dialog>
  );
}

/** Programs have chosen the names. */
function Names({ files }: { files: readonly Schema['ImageFile'][] }) {
  return <ul>{files.slice(0, NAMED_MAX).map(({ path, what }) => <li key={path}><code>{shown(path)}</code> {what}</li>)}</ul>;
}
