import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useIntl } from 'react-intl';
import { projectsQuery } from '../api/admin-queries';
import type { Schema } from '../api/client';
import { lastDays, MEASURE_NAMES, MEASURES, USAGE_BY, USAGE_DAYS, usageQuery } from '../api/usage-queries';
import { usersQuery } from '../api/queries';
import { Card } from '../components/console/Card';
import { Table } from '../ui/Table';
import styles from '../components/console/console.module.css';
import { ProblemNotice } from '../components/ProblemNotice';
import { BarPlot } from '../components/usage/BarPlot';
import { Budgets } from '../components/usage/Budgets';
import { Prices } from '../components/usage/Prices';
import { useObjectUrl } from '../hooks/use-object-url';
import { useText } from '../i18n/console';
import { bytes, money, span } from '../ui/format';
import { SelectField } from '../ui/SelectField';
import { PageHeading } from '../ui/PageHeading';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** What was used and what it cost. */
export function UsagePage() {
  const t = useText();
  const search = useSearch({ from: '/signed-in/usage' });
  const navigate = useNavigate();
  const usage = useQuery(usageQuery(search));
  const { data: users = [] } = useQuery(usersQuery);
  const { data: projects = [] } = useQuery(projectsQuery);
  const [by, measure, days] = [search.by ?? 'day', search.measure ?? 'cpu', search.days ?? 30];
  const change = (part: Partial<typeof search>) => void navigate({ to: '/usage', search: { ...search, ...part }, replace: true });
  const range = lastDays(days);
  return (
    <div className={styles['page']}>
      <PageHeading>{t('nav.usage')}</PageHeading>
      <p className={styles['lead']}>{t('usage.lead')}</p>
      <div className={styles['bar']}>
        <SelectField label={t('usage.measure')} value={measure} options={MEASURE_NAMES.map((value) => ({ value, label: t(`usage.measure.${value}`) }))} onChange={(value) => { change({ measure: MEASURE_NAMES.find((name) => name === value) }); }} />
        <SelectField label={t('usage.by')} value={by} options={USAGE_BY.map((value) => ({ value, label: t(`usage.by.${value}`) }))} onChange={(value) => { change({ by: USAGE_BY.find((name) => name === value) }); }} />
        <SelectField label={t('usage.from')} value={String(days)} options={USAGE_DAYS.map((days) => ({ value: String(days), label: t('usage.days', { days }) }))} onChange={(value) => { change({ days: USAGE_DAYS.find((days) => String(days) === value) }); }} />
        {users.length > 1 && <SelectField label={t('sessions.owner')} value={search.user ?? ''} options={[{ value: '', label: t('sessions.any') }, ...users.map(({ id, name }) => ({ value: id, label: name }))]} onChange={(user) => { change({ user: user || undefined }); }} />}
        {projects.length > 1 && <SelectField label={t('people.project')} value={search.project ?? ''} options={[{ value: '', label: t('sessions.any') }, ...projects.map(({ id, name }) => ({ value: id, label: name }))]} onChange={(project) => { change({ project: project || undefined }); }} />}
      </div>
      <ProblemNotice error={usage.error} />
      {usage.data && <Sums sums={usage.data} measure={measure} />}
      <p><a href={`/api/v1/usage/records?format=csv&from=${range.from}&to=${range.to}`} download={`usage-${range.from}-${range.to}.csv`}>{t('usage.records')}</a></p>
      <Budgets />
      <Prices />
    </div>
  );
}

function Sums({ sums, measure }: { sums: Schema['UsageSums']; measure: keyof typeof MEASURES }) {
  const t = useText();
  const intl = useIntl();
  const { of, unit } = MEASURES[measure];
  const items = sums.by === 'day' ? [...sums.items].sort((one, other) => one.key.localeCompare(other.key)) : [...sums.items].sort((one, other) => of(other) - of(one));
  const name = (sum: Schema['UsageSum']) => sum.name ?? (sum.key || t('usage.unnamed'));
  const text = (value: number) => (unit === 'usage.unit.hours' ? span(intl, value * HOUR_MS) : `${intl.formatNumber(value, { maximumSignificantDigits: 3 })} ${t(unit)}`);
  const plotted = sums.by === 'day' ? everyDay(sums) : items;
  if (items.length === 0) return <p className={styles['empty']}>{t('usage.none')}</p>;
  const total = items.reduce((sum, item) => sum + of(item), 0);
  return (
    <Card title={t(`usage.measure.${measure}`)} acts={<span>{`${t('usage.total')}: ${text(total)}`}</span>}>
      <BarPlot label={t('usage.plot', { measure: t(`usage.measure.${measure}`), by: t(`usage.by.${sums.by}`) })} most={text(Math.max(...items.map(of)))} bars={plotted.map((sum) => ({ key: sum.key, name: name(sum), value: of(sum), text: text(of(sum)) }))} />
      <Table<Schema['UsageSum']>
        label={t('usage.table')}
        rows={items}
        rowKey={({ key }) => key}
        columns={[
          { id: 'key', title: t(`usage.by.${sums.by}`), cell: (sum) => <Source by={sums.by} sum={sum} name={name(sum)} /> },
          { id: 'cpu', title: t('usage.measure.cpu'), kind: 'number', cell: (sum) => span(intl, (sum.cpu_user_us + sum.cpu_system_us) / 1_000) },
          { id: 'wall', title: t('usage.measure.wall'), kind: 'number', cell: (sum) => span(intl, sum.wall_us / 1_000) },
          { id: 'memory', title: t('session.usage.memory'), kind: 'wide-number', cell: (sum) => bytes(intl, sum.memory_peak_bytes) },
          { id: 'network', title: t('usage.measure.network'), kind: 'wide-number', cell: (sum) => bytes(intl, sum.received_bytes + sum.sent_bytes) },
          { id: 'records', title: t('usage.measure.records'), kind: 'wide-number', cell: (sum) => intl.formatNumber(sum.records) },
          ...(sums.currency ? [{ id: 'cost', title: t('usage.measure.cost'), kind: 'wide-number' as const, cell: (sum: Schema['UsageSum']) => money(intl, sum.cost_micro, sums.currency) }] : []),
        ]}
      />
      {sums.truncated && <p className={styles['fine']}>{t('usage.truncated')}</p>}
      <Csv sums={sums} />
    </Card>
  );
}

/** Days on which nothing was used are there too. */
function everyDay({ items, from, to }: Schema['UsageSums']): Schema['UsageSum'][] {
  const known = new Map(items.map((sum) => [sum.key, sum]));
  const days = Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS) + 1;
  const nothing = { records: 0, cpu_user_us: 0, cpu_system_us: 0, wall_us: 0, memory_mib_s: 0, memory_peak_bytes: 0, read_bytes: 0, written_bytes: 0, received_bytes: 0, sent_bytes: 0, accelerator_us: 0, cost_micro: 0 };
  return Array.from({ length: days }, (_, index) => {
    const key = new Date(Date.parse(from) + index * DAY_MS).toISOString().slice(0, 10);
    return known.get(key) ?? { ...nothing, key };
  });
}

/** Leads to what a sum is made of, where the list of sessions can be asked for it. */
function Source({ by, sum, name }: { by: Schema['UsageBy']; sum: Schema['UsageSum']; name: string }) {
  if (sum.key === '') return name;
  if (by === 'user') return <Link to="/sessions" search={{ show: 'all', owner: sum.key }}>{name}</Link>;
  if (by === 'project') return <Link to="/sessions" search={{ show: 'all', project: sum.key }}>{name}</Link>;
  if (by === 'image') return <Link to="/sessions" search={{ show: 'all', image: sum.key }}>{name}</Link>;
  if (by === 'language') return <Link to="/sessions" search={{ show: 'all', language: sum.key }}>{name}</Link>;
  return name;
}

const CSV_COLUMNS = ['key', 'name', 'records', 'cpu_user_us', 'cpu_system_us', 'wall_us', 'memory_mib_s', 'memory_peak_bytes', 'read_bytes', 'written_bytes', 'received_bytes', 'sent_bytes', 'accelerator_us', 'cost_micro'] as const;

/** A cell that a spreadsheet takes for text, whatever somebody called a project. */
function csvCell(value: string | number | null | undefined): string {
  const text = typeof value === 'number' ? String(value) : (value ?? '').replace(/^[=+\-@\t\r]/, "'$&");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function Csv({ sums }: { sums: Schema['UsageSums'] }) {
  const t = useText();
  const blob = useMemo(() => new Blob([[CSV_COLUMNS.join(','), ...sums.items.map((sum) => CSV_COLUMNS.map((column) => csvCell(sum[column])).join(','))].join('\r\n')], { type: 'text/csv' }), [sums]);
  const url = useObjectUrl(blob);
  return url && <p><a href={url} download={`usage-by-${sums.by}-${sums.from}-${sums.to}.csv`}>{t('usage.csv')}</a></p>;
}
