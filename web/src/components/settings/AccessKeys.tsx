import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { body, client, type Schema } from '../../api/client';
import { accessKeysQuery } from '../../api/settings-queries';
import { signinQuery } from '../../api/queries';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Badge } from '../../ui/Badge';
import { Button, IconButton } from '../../ui/Button';
import { day } from '../../ui/format';
import { Menu } from '../../ui/Menu';
import { SelectField } from '../../ui/SelectField';
import { Table } from '../../ui/Table';
import { TextField } from '../../ui/TextField';
import { Card } from '../console/Card';
import { FormDialog, typed } from '../console/FormDialog';
import { OnceDialog } from '../console/OnceDialog';
import styles from '../console/console.module.css';
import { ProblemNotice } from '../ProblemNotice';
import { DAYS } from './Tokens';

type Key = Schema['AccessKeyView'];
type Act = 'suspend' | 'resume' | 'rotate' | 'remove';

/** One's own access keys: those of others are in the hands of whoever has them. */
export function AccessKeys() {
  const t = useText();
  const intl = useIntl();
  const { data: signin } = useQuery(signinQuery);
  const { data, error } = useQuery(accessKeysQuery);
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<Schema['AccessKeyMade'] | null>(null);
  const [doing, setDoing] = useState<{ what: 'rotate' | 'remove'; key: Key } | null>(null);
  const params = ({ access_key }: Key) => ({ params: { path: { id: access_key } } });
  const turn = useAct(({ key, act }: { key: Key; act: 'suspend' | 'resume' }): Promise<unknown> => (act === 'suspend' ? client.POST('/api/v1/access-keys/{id}/suspend', params(key)) : client.POST('/api/v1/access-keys/{id}/resume', params(key))), ['access-keys']);
  const keys = data?.filter(({ user }) => user === signin?.user) ?? [];
  const choose = (key: Key, act: Act) => { if (act === 'suspend' || act === 'resume') turn.mutate({ key, act }); else setDoing({ what: act, key }); };
  return (
    <Card title={t('access.title')} acts={<Button small icon="add" onPress={() => { setMaking(true); }}>{t('keys.new')}</Button>}>
      <p className={styles['fine']}>{t('keys.text')}</p>
      <ProblemNotice error={error ?? turn.error} />
      {data && keys.length === 0 && <p className={styles['fine']}>{t('keys.none')}</p>}
      {keys.length > 0 && (
        <Table<Key>
          label={t('access.title')}
          rows={keys}
          rowKey={({ access_key }) => access_key}
          columns={[
            { id: 'name', title: t('tokens.name'), cell: ({ name }) => name },
            { id: 'key', title: t('keys.key'), kind: 'wide', cell: ({ access_key }) => <code>{access_key}</code> },
            { id: 'state', title: t('people.state'), cell: ({ suspended_at }) => <Badge tone={suspended_at ? 'bad' : 'good'}>{t(suspended_at ? 'keys.suspended' : 'keys.good')}</Badge> },
            { id: 'ends', title: t('tokens.ends'), kind: 'wide', cell: ({ expires_at }) => (expires_at ? day(intl, expires_at) : t('tokens.ends.never')) },
            { id: 'acts', title: '', kind: 'number', cell: (key) => <KeyMenu held={key} onChoose={(act) => { choose(key, act); }} /> },
          ]}
        />
      )}
      {isMaking && <NewDialog onClose={() => { setMaking(false); }} onMade={(made) => { setMaking(false); setMade(made); }} />}
      {made && <OnceDialog title={t('keys.made.title')} text={t('keys.made.text')} secret={`MADANG_ACCESS_KEY=${made.access_key}\nMADANG_SECRET_KEY=${made.secret_key}`} onClose={() => { setMade(null); }} />}
      {doing?.what === 'rotate' && <RotateDialog held={doing.key} onClose={() => { setDoing(null); }} onMade={(made) => { setDoing(null); setMade(made); }} />}
      {doing?.what === 'remove' && <RemoveDialog held={doing.key} onClose={() => { setDoing(null); }} />}
    </Card>
  );
}

function KeyMenu({ held: { name, suspended_at }, onChoose }: { held: Key; onChoose: (act: Act) => void }) {
  const t = useText();
  const label = t('admin.more', { name });
  const turn = suspended_at ? ({ id: 'resume', label: t('keys.resume') } as const) : ({ id: 'suspend', label: t('keys.suspend') } as const);
  return <Menu<Act> label={label} trigger={<IconButton icon="more" label={label} />} choices={[turn, { id: 'rotate', label: t('keys.rotate'), icon: 'refresh' }, { id: 'remove', label: t('admin.remove'), icon: 'trash', danger: true }]} onChoose={onChoose} />;
}

function NewDialog({ onClose, onMade }: { onClose: () => void; onMade: (made: Schema['AccessKeyMade']) => void }) {
  const t = useText();
  const make = useAct((asked: Schema['AccessKeyCreate']) => body(client.POST('/api/v1/access-keys', { body: asked })), ['access-keys'], onMade);
  const submit = (given: FormData) => {
    const days = DAYS.find((days) => String(days) === typed(given, 'days'));
    make.mutate({ name: typed(given, 'name') ?? '', signing: given.get('signing') === 'request' ? 'request' : 'any', ...(days ? { expires_days: days } : {}) });
  };
  return (
    <FormDialog title={t('keys.new')} submit={t('keys.make')} act={make} onSubmit={submit} onClose={onClose}>
      <TextField label={t('tokens.name')} name="name" isRequired autoComplete="off" />
      <div className={styles['pair']}>
        <SelectField label={t('keys.signing')} name="signing" options={(['any', 'request'] as const).map((value) => ({ value, label: t(`keys.signing.${value}`) }))} />
        <SelectField label={t('tokens.for')} name="days" options={[{ value: '', label: t('tokens.ends.never') }, ...DAYS.map((days) => ({ value: String(days), label: t('tokens.days', { days }) }))]} />
      </div>
    </FormDialog>
  );
}

function RotateDialog({ held: { access_key, name }, onClose, onMade }: { held: Key; onClose: () => void; onMade: (made: Schema['AccessKeyMade']) => void }) {
  const t = useText();
  const rotate = useAct(() => body(client.POST('/api/v1/access-keys/{id}/rotate', { params: { path: { id: access_key } } })), ['access-keys'], onMade);
  return (
    <FormDialog title={t('keys.rotate.title', { name })} submit={t('keys.rotate.submit')} look="danger" act={rotate} onSubmit={() => { rotate.mutate(); }} onClose={onClose}>
      <p>{t('keys.rotate.text')}</p>
    </FormDialog>
  );
}

function RemoveDialog({ held: { access_key, name }, onClose }: { held: Key; onClose: () => void }) {
  const t = useText();
  const remove = useAct(() => client.DELETE('/api/v1/access-keys/{id}', { params: { path: { id: access_key } } }), ['access-keys'], onClose);
  return (
    <FormDialog title={t('keys.remove.title', { name })} submit={t('admin.remove')} look="danger" act={remove} onSubmit={() => { remove.mutate(); }} onClose={onClose}>
      <p>{t('keys.remove.text')}</p>
    </FormDialog>
  );
}
