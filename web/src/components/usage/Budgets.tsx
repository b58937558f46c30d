import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { projectsQuery } from '../../api/admin-queries';
import { client, type Schema } from '../../api/client';
import { meQuery } from '../../api/folders';
import { usersQuery } from '../../api/queries';
import { budgetsQuery, pricesQuery } from '../../api/usage-queries';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Badge, type BadgeTone } from '../../ui/Badge';
import { Button, IconButton } from '../../ui/Button';
import { moment, money } from '../../ui/format';
import { Menu } from '../../ui/Menu';
import { SelectField } from '../../ui/SelectField';
import { Table } from '../../ui/Table';
import { TextField } from '../../ui/TextField';
import { Card } from '../console/Card';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';
import { ProblemNotice } from '../ProblemNotice';
import { isAdministrator } from '../roles';

type Budget = Schema['BudgetView'];

const LEVELS: Readonly<Record<Schema['BudgetLevel'], BadgeTone>> = { open: 'good', warned: 'busy', throttled: 'busy', stopped: 'bad' };
const PERIODS = ['month', 'day', 'total'] as const;
const AT_LIMIT = ['stop', 'throttle'] as const;
const MICRO = 1_000_000;
const [WARN, THROTTLE] = [80, 90];

/** What may be spent, by whom, and how far it has come. */
export function Budgets() {
  const t = useText();
  const intl = useIntl();
  const { data, error } = useQuery(budgetsQuery);
  const [setting, setSetting] = useState<{ budget: Budget | null } | null>(null);
  const [ending, setEnding] = useState<Budget | null>(null);
  return (
    <Card title={t('cost.title')} acts={<Button small icon="add" onPress={() => { setSetting({ budget: null }); }}>{t('cost.new')}</Button>}>
      <ProblemNotice error={error} />
      {data?.length === 0 && <p className={styles['fine']}>{t('cost.none')}</p>}
      {data && data.length > 0 && (
        <Table<Budget>
          label={t('cost.title')}
          rows={data}
          rowKey={({ id }) => id}
          columns={[
            { id: 'name', title: t('cost.whose'), cell: ({ name, project }) => (project ? t('folders.whose.project', { name }) : name) },
            { id: 'level', title: t('people.state'), cell: ({ level }) => <Badge tone={LEVELS[level]}>{t(`cost.level.${level}`)}</Badge> },
            { id: 'spent', title: t('usage.measure.cost'), kind: 'number', cell: ({ spent_micro, limit_micro, currency }) => t('cost.of', { spent: money(intl, spent_micro, currency), limit: money(intl, limit_micro, currency) }) },
            { id: 'period', title: t('cost.period'), kind: 'wide', cell: ({ period }) => t(`cost.period.${period}`) },
            { id: 'renews', title: t('cost.renews.col'), kind: 'wide', cell: ({ renews_at }) => renews_at && moment(intl, renews_at) },
            { id: 'acts', title: '', kind: 'number', cell: (budget) => <BudgetMenu budget={budget} onChange={() => { setSetting({ budget }); }} onEnd={() => { setEnding(budget); }} /> },
          ]}
        />
      )}
      {setting && <BudgetDialog budget={setting.budget} onClose={() => { setSetting(null); }} />}
      {ending && <EndDialog budget={ending} onClose={() => { setEnding(null); }} />}
    </Card>
  );
}

function BudgetMenu({ budget: { name }, onChange, onEnd }: { budget: Budget; onChange: () => void; onEnd: () => void }) {
  const t = useText();
  const label = t('admin.more', { name });
  return <Menu label={label} trigger={<IconButton icon="more" label={label} />} choices={[{ id: 'change', label: t('cost.change'), icon: 'pencil' }, { id: 'end', label: t('cost.end'), icon: 'trash', danger: true }]} onChoose={(id) => { if (id === 'change') onChange(); else onEnd(); }} />;
}

/** Another budget for the same, and then the end of this one: in between both hold. */
function BudgetDialog({ budget, onClose }: { budget: Budget | null; onClose: () => void }) {
  const t = useText();
  const { data: prices } = useQuery(pricesQuery);
  const whom = useWhom();
  const currency = prices?.[0]?.currency;
  const set = useAct(async (asked: Schema['BudgetCreate']) => {
    await client.POST('/api/v1/budgets', { body: asked });
    if (budget) await client.DELETE('/api/v1/budgets/{id}', { params: { path: { id: budget.id } } });
  }, ['budgets'], onClose);
  const submit = (given: FormData) => {
    const number = (name: string, otherwise: number) => Number(typed(given, name) ?? otherwise);
    const [kind, id] = (typed(given, 'whom') ?? '').split(' ');
    const holder = budget?.project ? { project: budget.project } : budget?.user ? { user: budget.user } : kind === 'project' && id ? { project: id } : kind === 'user' && id ? { user: id } : {};
    set.mutate({
      ...holder,
      limit_micro: Math.round(number('limit', 0) * MICRO),
      period: PERIODS.find((period) => period === typed(given, 'period')) ?? 'month',
      at_limit: AT_LIMIT.find((limit) => limit === typed(given, 'at')) ?? 'stop',
      warn_percent: number('warn', WARN),
      throttle_percent: number('throttle', THROTTLE),
    });
  };
  return (
    <FormDialog title={budget ? `${t('cost.title')}: ${budget.name}` : t('cost.new')} submit={t('cost.submit')} act={set} onSubmit={submit} onClose={onClose}>
      {prices?.length === 0 && <p className={styles['fine']}>{t('cost.noPrices')}</p>}
      {!budget && whom.length > 1 && <SelectField label={t('cost.whose')} name="whom" options={whom} />}
      <div className={styles['pair']}>
        <TextField label={currency ? t('cost.limit.in', { currency }) : t('cost.limit')} name="limit" type="number" inputMode="decimal" input={{ step: 'any', min: 0 }} defaultValue={budget ? String(budget.limit_micro / MICRO) : ''} isRequired />
        <SelectField label={t('cost.period')} name="period" defaultValue={budget?.period ?? 'month'} options={PERIODS.map((value) => ({ value, label: t(`cost.period.${value}`) }))} />
      </div>
      <SelectField label={t('cost.atLimit')} name="at" defaultValue={budget?.at_limit ?? 'stop'} options={AT_LIMIT.map((value) => ({ value, label: t(`cost.atLimit.${value}`) }))} />
      <div className={styles['pair']}>
        <TextField label={t('cost.warn')} name="warn" type="number" input={{ min: 0 }} defaultValue={String(budget?.warn_percent ?? WARN)} />
        <TextField label={t('cost.throttle')} name="throttle" type="number" input={{ min: 0 }} defaultValue={String(budget?.throttle_percent ?? THROTTLE)} />
      </div>
    </FormDialog>
  );
}

/** For whom somebody may set a budget: everybody for themselves, administrators for others. */
function useWhom() {
  const t = useText();
  const { data: me } = useQuery(meQuery);
  const { data: users = [] } = useQuery(usersQuery);
  const { data: projects = [] } = useQuery(projectsQuery);
  const mine = { value: '', label: t('cost.mine') };
  if (!me || !isAdministrator(me.role)) return [mine];
  const isThere = ({ archived_at }: { archived_at?: string | null }) => !archived_at;
  return [mine, ...projects.filter(isThere).map(({ id, name }) => ({ value: `project ${id}`, label: t('folders.whose.project', { name }) })), ...users.filter((user) => isThere(user) && user.id !== me.id).map(({ id, name }) => ({ value: `user ${id}`, label: name }))];
}

function EndDialog({ budget: { id, name }, onClose }: { budget: Budget; onClose: () => void }) {
  const t = useText();
  const end = useAct(() => client.DELETE('/api/v1/budgets/{id}', { params: { path: { id } } }), ['budgets'], onClose);
  return (
    <FormDialog title={t('cost.end.title', { name })} submit={t('cost.end.submit')} look="danger" act={end} onSubmit={() => { end.mutate(); }} onClose={onClose}>
      <p>{t('cost.end.text', { name })}</p>
    </FormDialog>
  );
}
