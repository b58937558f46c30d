import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { client, type Schema } from '../../api/client';
import { signinQuery } from '../../api/queries';
import { sshKeysQuery } from '../../api/settings-queries';
import { Ago } from '../../components/Ago';
import { FormDialog, typed } from '../../components/console/FormDialog';
import styles from '../../components/console/console.module.css';
import { ProblemNotice } from '../../components/ProblemNotice';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { Table } from '../../ui/Table';
import { TextField } from '../../ui/TextField';
import { PageHeading } from '../../ui/PageHeading';

type Key = Schema['SshKeyView'];

export function SshPage() {
  const t = useText();
  const { data: signin } = useQuery(signinQuery);
  const { data, error } = useQuery(sshKeysQuery);
  const [isAdding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Key | null>(null);
  const keys = data?.filter(({ user }) => user === signin?.user) ?? [];
  return (
    <div className={styles['page']}>
      <div className={styles['head']}>
        <PageHeading>{t('settings.ssh')}</PageHeading>
        <Button look="primary" icon="add" onPress={() => { setAdding(true); }}>{t('ssh.new')}</Button>
      </div>
      <p className={styles['lead']}>{t('ssh.text')}</p>
      <ProblemNotice error={error} />
      {data && keys.length === 0 && <p className={styles['empty']}>{t('ssh.none')}</p>}
      {keys.length > 0 && (
        <Table<Key>
          label={t('settings.ssh')}
          rows={keys}
          rowKey={({ id }) => id}
          columns={[
            { id: 'name', title: t('people.name'), cell: ({ name }) => name },
            { id: 'fingerprint', title: t('ssh.fingerprint'), kind: 'wide', cell: ({ fingerprint }) => <code>{fingerprint}</code> },
            { id: 'made', title: t('tokens.made'), cell: ({ created_at }) => <Ago time={created_at} /> },
            { id: 'acts', title: '', kind: 'number', cell: (key) => <Button small look="danger" aria-label={`${t('admin.remove')} ${key.name}`} onPress={() => { setRemoving(key); }}>{t('admin.remove')}</Button> },
          ]}
        />
      )}
      {isAdding && <AddDialog onClose={() => { setAdding(false); }} />}
      {removing && <RemoveDialog sshKey={removing} onClose={() => { setRemoving(null); }} />}
    </div>
  );
}

function AddDialog({ onClose }: { onClose: () => void }) {
  const t = useText();
  const add = useAct((asked: Schema['SshKeyCreate']) => client.POST('/api/v1/ssh-keys', { body: asked }), ['ssh-keys'], onClose);
  const submit = (given: FormData) => {
    const name = typed(given, 'name');
    add.mutate({ public_key: typed(given, 'key') ?? '', ...(name ? { name } : {}) });
  };
  return (
    <FormDialog wide title={t('ssh.new')} submit={t('ssh.add')} act={add} onSubmit={submit} onClose={onClose}>
      <TextField label={t('ssh.public')} name="key" hint={t('ssh.hint')} isRequired autoComplete="off" spellCheck="false" />
      <TextField label={t('ssh.name')} name="name" autoComplete="off" />
    </FormDialog>
  );
}

function RemoveDialog({ sshKey: { id, name }, onClose }: { sshKey: Key; onClose: () => void }) {
  const t = useText();
  const remove = useAct(() => client.DELETE('/api/v1/ssh-keys/{id}', { params: { path: { id } } }), ['ssh-keys'], onClose);
  return (
    <FormDialog title={t('ssh.remove.title', { name })} submit={t('ssh.remove.submit')} look="danger" act={remove} onSubmit={() => { remove.mutate(); }} onClose={onClose}>
      <p>{t('ssh.remove.text')}</p>
    </FormDialog>
  );
}
