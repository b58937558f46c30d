import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { allAnnouncementsQuery } from '../../api/admin-queries';
import { client, type Schema } from '../../api/client';
import { Table } from '../../ui/Table';
import { FormDialog, typed } from '../../components/console/FormDialog';
import styles from '../../components/console/console.module.css';
import { ProblemNotice } from '../../components/ProblemNotice';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { useSettings } from '../../stores/settings';
import { Button } from '../../ui/Button';
import { moment } from '../../ui/format';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import { PageHeading } from '../../ui/PageHeading';

type Announcement = Schema['AnnouncementView'];
const LEVELS = ['notice', 'warning', 'critical'] as const;
const AUDIENCES = ['signed-in', 'everybody'] as const;
const HOUR_MS = 3_600_000;

export function AnnouncementsPage() {
  const t = useText();
  const intl = useIntl();
  const { locale } = useSettings();
  const list = useQuery(allAnnouncementsQuery);
  const [isMaking, setMaking] = useState(false);
  const end = useAct((id: string) => client.DELETE('/api/v1/announcements/{id}', { params: { path: { id } } }), ['announcements']);
  const isOver = ({ until }: Announcement) => Boolean(until && Date.parse(until) <= Date.now());
  return (
    <div className={styles['page']}>
      <div className={styles['head']}>
        <PageHeading>{t('admin.announcements')}</PageHeading>
        <Button look="primary" icon="add" onPress={() => { setMaking(true); }}>{t('announcements.new')}</Button>
      </div>
      <p className={styles['lead']}>{t('announcements.text')}</p>
      <ProblemNotice error={list.error ?? end.error} />
      {list.data?.length === 0 && <p className={styles['empty']}>{t('announcements.none')}</p>}
      {list.data && list.data.length > 0 && (
        <Table<Announcement>
          label={t('admin.announcements')}
          rows={list.data}
          rowKey={({ id }) => id}
          isGone={isOver}
          columns={[
            { id: 'text', title: t('announcements.words'), cell: ({ texts }) => texts[locale] ?? Object.values(texts)[0] },
            { id: 'level', title: t('announcements.level'), cell: ({ level }) => t(`announcements.level.${level}`) },
            { id: 'audience', title: t('announcements.audience'), kind: 'wide', cell: ({ audience }) => t(`announcements.audience.${audience}`) },
            { id: 'until', title: t('announcements.until'), kind: 'wide', cell: ({ until }) => until && moment(intl, until) },
            { id: 'acts', title: '', kind: 'number', cell: (row) => (isOver(row) ? t('announcements.over') : <Button small onPress={() => { end.mutate(row.id); }}>{t('announcements.end')}</Button>) },
          ]}
        />
      )}
      {isMaking && <NewDialog onClose={() => { setMaking(false); }} />}
    </div>
  );
}

function NewDialog({ onClose }: { onClose: () => void }) {
  const t = useText();
  const make = useAct((asked: Schema['AnnouncementCreate']) => client.POST('/api/v1/announcements', { body: asked }), ['announcements'], onClose);
  const submit = (given: FormData) => {
    const texts = Object.fromEntries(['en', 'ko'].flatMap((tag) => { const text = typed(given, tag); return text ? [[tag, text]] : []; }));
    const hours = Number(typed(given, 'hours') ?? 0);
    const level = LEVELS.find((level) => level === typed(given, 'level')) ?? 'notice';
    const audience = AUDIENCES.find((audience) => audience === typed(given, 'audience')) ?? 'signed-in';
    make.mutate({ texts, level, audience, ...(hours > 0 ? { until: new Date(Date.now() + hours * HOUR_MS).toISOString() } : {}) });
  };
  return (
    <FormDialog title={t('announcements.new')} submit={t('announcements.new')} act={make} onSubmit={submit} onClose={onClose}>
      <TextField label={t('announcements.en')} name="en" autoComplete="off" />
      <TextField label={t('announcements.ko')} name="ko" autoComplete="off" />
      <div className={styles['pair']}>
        <SelectField label={t('announcements.level')} name="level" options={LEVELS.map((level) => ({ value: level, label: t(`announcements.level.${level}`) }))} />
        <SelectField label={t('announcements.audience')} name="audience" options={AUDIENCES.map((audience) => ({ value: audience, label: t(`announcements.audience.${audience}`) }))} />
      </div>
      <TextField label={t('announcements.hours')} name="hours" type="number" inputMode="decimal" />
    </FormDialog>
  );
}
