import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { auditQuery, type AuditSearch } from '../../api/admin-queries';
import type { Schema } from '../../api/client';
import { usersQuery } from '../../api/queries';
import { Table } from '../../ui/Table';
import styles from '../../components/console/console.module.css';
import { ProblemNotice } from '../../components/ProblemNotice';
import { useText } from '../../i18n/console';
import { Badge } from '../../ui/Badge';
import { Button } from '../../ui/Button';
import { moment } from '../../ui/format';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import { PageHeading } from '../../ui/PageHeading';

const OUTCOMES = ['done', 'refused', 'failed'] as const;

/** Who did what, the newest first. */
export function AuditPage() {
  const t = useText();
  const [search, setSearch] = useState<AuditSearch>({});
  const audit = useInfiniteQuery(auditQuery(search));
  const { data: users = [] } = useQuery(usersQuery);
  const entries = audit.data?.pages.flatMap(({ items }) => items) ?? [];
  return (
    <div className={styles['page']}>
      <PageHeading>{t('admin.audit')}</PageHeading>
      <div className={styles['bar']} role="search">
        <SelectField label={t('audit.who')} options={[{ value: '', label: t('sessions.any') }, ...users.map(({ id, name }) => ({ value: id, label: name }))]} onChange={(actor) => { setSearch({ ...search, actor: actor || undefined }); }} />
        <TextField label={t('audit.what')} input={{ placeholder: 'session_create' }} onChange={(operation) => { setSearch({ ...search, operation: operation || undefined }); }} />
        <SelectField label={t('audit.result')} options={[{ value: '', label: t('audit.outcome.any') }, ...OUTCOMES.map((outcome) => ({ value: outcome, label: t(`audit.outcome.${outcome}`) }))]} onChange={(value) => { setSearch({ ...search, outcome: OUTCOMES.find((outcome) => outcome === value) }); }} />
      </div>
      <ProblemNotice error={audit.error} />
      {audit.data && entries.length === 0 && <p className={styles['empty']}>{t('audit.none')}</p>}
      {entries.length > 0 && <Entries entries={entries} />}
      {audit.hasNextPage && <div><Button isPending={audit.isFetchingNextPage} onPress={() => void audit.fetchNextPage()}>{t('audit.more')}</Button></div>}
    </div>
  );
}

function Entries({ entries }: { entries: readonly Schema['AuditEntry'][] }) {
  const t = useText();
  const intl = useIntl();
  return (
    <Table<Schema['AuditEntry']>
      label={t('admin.audit')}
      rows={entries}
      rowKey={({ id }) => id}
      columns={[
        { id: 'when', title: t('audit.when'), cell: ({ at }) => <time dateTime={at} className={styles['when']}>{moment(intl, at)}</time> },
        { id: 'who', title: t('audit.who'), cell: ({ name }) => name || t('audit.nobody') },
        { id: 'what', title: t('audit.what'), cell: ({ operation, path }) => <code title={path}>{operation}</code> },
        { id: 'subject', title: t('audit.subject'), kind: 'wide', cell: ({ subject, path }) => <code className={styles['subject']}>{(subject ?? path).replace('/api/v1/', '')}</code> },
        { id: 'from', title: t('audit.from'), kind: 'widest', cell: ({ address, via }) => <span title={via}>{address}</span> },
        { id: 'result', title: t('audit.result'), cell: ({ status, code }) => <Badge tone={status < 400 ? 'good' : status < 500 ? 'busy' : 'bad'}>{code ?? t('audit.outcome.done')}</Badge> },
      ]}
    />
  );
}
