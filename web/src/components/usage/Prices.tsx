import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { client, type Schema } from '../../api/client';
import { signinQuery } from '../../api/queries';
import { pricesQuery } from '../../api/usage-queries';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { moment, money } from '../../ui/format';
import { SelectField } from '../../ui/SelectField';
import { Table } from '../../ui/Table';
import { TextField } from '../../ui/TextField';
import { Card } from '../console/Card';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';
import { ProblemNotice } from '../ProblemNotice';
import { isSystemAdministrator } from '../roles';

type Price = Schema['PriceView'];

const UNITS = ['cpu-hour', 'memory-gib-hour', 'accelerator-hour', 'sandbox-hour', 'read-gib', 'written-gib', 'received-gib', 'sent-gib'] as const satisfies readonly Schema['PricedUnit'][];
const MICRO = 1_000_000;

/** What use costs, now and as far as it is said already. */
export function Prices() {
  const t = useText();
  const intl = useIntl();
  const { data, error } = useQuery(pricesQuery);
  const { data: signin } = useQuery(signinQuery);
  const [isMaking, setMaking] = useState(false);
  const mayChange = isSystemAdministrator(signin?.role ?? '');
  const back = useAct((id: string) => client.DELETE('/api/v1/prices/{id}', { params: { path: { id } } }), ['prices']);
  const isSoon = ({ from, in_force }: Price) => !in_force && Date.parse(from) > Date.now();
  const shown = data?.filter((price) => price.in_force || isSoon(price));
  return (
    <Card title={t('prices.title')} acts={mayChange && <Button small icon="add" onPress={() => { setMaking(true); }}>{t('prices.new')}</Button>}>
      <ProblemNotice error={error ?? back.error} />
      {shown?.length === 0 && <p className={styles['fine']}>{t('prices.none')}</p>}
      {shown && shown.length > 0 && (
        <Table<Price>
          label={t('prices.title')}
          rows={shown}
          rowKey={({ id }) => id}
          columns={[
            { id: 'unit', title: t('prices.what'), cell: ({ unit }) => t(`prices.unit.${unit}`) },
            { id: 'each', title: t('prices.each'), kind: 'number', cell: ({ micro, currency }) => money(intl, micro, currency) },
            { id: 'from', title: t('prices.from'), kind: 'wide', cell: ({ from }) => moment(intl, from) },
            { id: 'state', title: t('prices.state'), cell: (price) => <Badge tone={isSoon(price) ? 'still' : 'good'}>{t(isSoon(price) ? 'prices.state.soon' : 'prices.state.now')}</Badge> },
            ...(mayChange ? [{ id: 'acts', title: '', kind: 'number' as const, cell: (price: Price) => isSoon(price) && <Button small isPending={back.isPending && back.variables === price.id} onPress={() => { back.mutate(price.id); }}>{t('prices.back')}</Button> }] : []),
          ]}
        />
      )}
      {isMaking && <PriceDialog currency={data?.[0]?.currency} onClose={() => { setMaking(false); }} />}
    </Card>
  );
}

function PriceDialog({ currency, onClose }: { currency: string | undefined; onClose: () => void }) {
  const t = useText();
  const make = useAct((asked: Schema['PriceCreate']) => client.POST('/api/v1/prices', { body: asked }), ['prices', 'budgets', 'usage'], onClose);
  const submit = (given: FormData) => {
    const from = typed(given, 'from');
    make.mutate({
      unit: UNITS.find((unit) => unit === typed(given, 'unit')) ?? 'cpu-hour',
      micro: Math.round(Number(typed(given, 'amount') ?? 0) * MICRO),
      currency: (typed(given, 'currency') ?? '').toUpperCase(),
      ...(from ? { from: new Date(from).toISOString() } : {}),
    });
  };
  return (
    <FormDialog title={t('prices.new')} submit={t('prices.submit')} act={make} onSubmit={submit} onClose={onClose}>
      <p className={styles['fine']}>{t('prices.text')}</p>
      <SelectField label={t('prices.what')} name="unit" options={UNITS.map((value) => ({ value, label: t(`prices.unit.${value}`) }))} />
      <div className={styles['pair']}>
        <TextField label={t('prices.amount')} name="amount" type="number" inputMode="decimal" input={{ step: 'any', min: 0 }} isRequired />
        <TextField label={t('prices.currency')} name="currency" defaultValue={currency ?? ''} minLength={3} maxLength={3} autoComplete="off" isRequired />
      </div>
      <TextField label={t('prices.when')} name="from" type="datetime-local" />
    </FormDialog>
  );
}
