import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { body, client, type Schema } from '../../api/client';
import { SCOPES, tokensQuery } from '../../api/settings-queries';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Button, IconButton } from '../../ui/Button';
import { CheckBox } from '../../ui/CheckBox';
import { day } from '../../ui/format';
import { SelectField } from '../../ui/SelectField';
import { Table } from '../../ui/Table';
import { TextField } from '../../ui/TextField';
import { Card } from '../console/Card';
import { FormDialog, typed } from '../console/FormDialog';
import { OnceDialog } from '../console/OnceDialog';
import styles from '../console/console.module.css';
import { ProblemNotice } from '../ProblemNotice';

type Token = Schema['TokenView'];

const DAY_MS = 86_400_000;
export const DAYS = [1, 30, 90, 365] as const;
const DAYS_FIRST = 90;

export function Tokens() {
  const t = useText();
  const intl = useIntl();
  const { data, error } = useQuery(tokensQuery);
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<Schema['TokenMade'] | null>(null);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const scopeName = (scope: string) => { const known = SCOPES.find((known) => known === scope); return known ? t(`tokens.scope.${known}`) : scope; };
  return (
    <Card title={t('tokens.title')} acts={<Button small icon="add" onPress={() => { setMaking(true); }}>{t('tokens.new')}</Button>}>
      <p className={styles['fine']}>{t('tokens.text')}</p>
      <ProblemNotice error={error} />
      {data?.length === 0 && <p className={styles['fine']}>{t('tokens.none')}</p>}
      {data && data.length > 0 && (
        <Table<Token>
          label={t('tokens.title')}
          rows={data}
          rowKey={({ id }) => id}
          columns={[
            { id: 'name', title: t('tokens.name'), cell: ({ name }) => name },
            { id: 'may', title: t('tokens.may'), cell: ({ scopes }) => scopes.map(scopeName).join(', ') },
            { id: 'made', title: t('tokens.made'), kind: 'wide', cell: ({ created_at }) => day(intl, created_at) },
            { id: 'ends', title: t('tokens.ends'), kind: 'wide', cell: ({ expires_at }) => (expires_at ? day(intl, expires_at) : t('tokens.ends.never')) },
            { id: 'acts', title: '', kind: 'number', cell: (token) => <IconButton icon="trash" label={`${t('tokens.revoke')} ${token.name}`} onPress={() => { setRevoking(token); }} /> },
          ]}
        />
      )}
      {isMaking && <NewDialog onClose={() => { setMaking(false); }} onMade={(made) => { setMaking(false); setMade(made); }} />}
      {made && <OnceDialog title={t('tokens.made.title')} text={t('tokens.text')} secret={made.secret} onClose={() => { setMade(null); }} />}
      {revoking && <RevokeDialog token={revoking} onClose={() => { setRevoking(null); }} />}
    </Card>
  );
}

function NewDialog({ onClose, onMade }: { onClose: () => void; onMade: (made: Schema['TokenMade']) => void }) {
  const t = useText();
  const make = useAct((asked: Schema['TokenCreate']) => body(client.POST('/api/v1/tokens', { body: asked })), ['tokens'], onMade);
  const submit = (given: FormData) => {
    const days = DAYS.find((days) => String(days) === typed(given, 'days')) ?? DAYS_FIRST;
    make.mutate({ name: typed(given, 'name') ?? '', scopes: SCOPES.filter((scope) => given.get(scope) !== null), expires_in_ms: days * DAY_MS });
  };
  return (
    <FormDialog title={t('tokens.new')} submit={t('tokens.make')} act={make} onSubmit={submit} onClose={onClose}>
      <TextField label={t('tokens.name')} hint={t('tokens.name.hint')} name="name" isRequired autoComplete="off" />
      <fieldset className={styles['choices']}>
        <legend>{t('tokens.may')}</legend>
        {SCOPES.map((scope) => <CheckBox key={scope} name={scope} defaultChecked={scope === 'read' || scope === 'run'}>{t(`tokens.scope.${scope}`)}</CheckBox>)}
      </fieldset>
      <SelectField label={t('tokens.for')} name="days" defaultValue={String(DAYS_FIRST)} options={DAYS.map((days) => ({ value: String(days), label: t('tokens.days', { days }) }))} />
    </FormDialog>
  );
}

function RevokeDialog({ token, onClose }: { token: Token; onClose: () => void }) {
  const t = useText();
  const revoke = useAct(() => client.DELETE('/api/v1/tokens/{id}', { params: { path: { id: token.id } } }), ['tokens'], onClose);
  return (
    <FormDialog title={t('tokens.revoke.title', { name: token.name })} submit={t('tokens.revoke.submit')} look="danger" act={revoke} onSubmit={() => { revoke.mutate(); }} onClose={onClose}>
      <p>{t('tokens.revoke.text')}</p>
    </FormDialog>
  );
}
