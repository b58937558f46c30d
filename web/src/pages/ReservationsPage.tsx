import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { projectsQuery } from '../api/admin-queries';
import { client, type Schema } from '../api/client';
import { reservationsQuery } from '../api/plan-queries';
import { languagesQuery } from '../api/queries';
import { FormDialog } from '../components/console/FormDialog';
import styles from '../components/console/console.module.css';
import { MonthCalendar } from '../components/plan/MonthCalendar';
import { PlanTabs } from '../components/plan/PlanTabs';
import { ReserveDialog } from '../components/plan/ReserveDialog';
import { ProblemNotice } from '../components/ProblemNotice';
import { useAct } from '../hooks/use-act';
import { useText } from '../i18n/console';
import { Button, IconButton } from '../ui/Button';
import { moment } from '../ui/format';
import { Table } from '../ui/Table';
import { PageHeading } from '../ui/PageHeading';

type Reservation = Schema['ReservationView'];

/** What is promised to projects, and when. */
export function ReservationsPage() {
  const t = useText();
  const intl = useIntl();
  const { data, error, isPending } = useQuery(reservationsQuery);
  const { data: languages = [] } = useQuery(languagesQuery);
  const { data: projects = [] } = useQuery(projectsQuery);
  const [isMaking, setMaking] = useState(false);
  const [ending, setEnding] = useState<Reservation | null>(null);
  const languageOf = ({ language, image }: Reservation) => languages.find(({ id }) => id === language)?.name ?? language ?? image;
  const projectOf = ({ project }: Reservation) => projects.find(({ id }) => id === project)?.name ?? project;
  return (
    <>
      <PlanTabs />
      <div className={styles['page']}>
        <div className={styles['head']}>
          <PageHeading>{t('reservations.title')}</PageHeading>
          <Button look="primary" icon="add" onPress={() => { setMaking(true); }}>{t('reservations.new')}</Button>
        </div>
        <p className={styles['lead']}>{t('reservations.lead')}</p>
        <ProblemNotice error={error} />
        {isPending && <p className={styles['fine']}>{t('app.loading')}</p>}
        {data?.length === 0 && <p className={styles['empty']}>{t('reservations.none')}</p>}
        {data && <div className={styles['card']}><MonthCalendar reservations={data} what={(reservation) => `${languageOf(reservation)}, ${projectOf(reservation)}`} /></div>}
        {data && data.length > 0 && (
          <Table<Reservation>
            label={t('reservations.title')}
            rows={data}
            rowKey={({ id }) => id}
            columns={[
              { id: 'what', title: t('reservations.what'), cell: (reservation) => <Link to="/sessions" search={{ project: reservation.project }}>{projectOf(reservation)}</Link> },
              { id: 'language', title: t('reservations.language'), kind: 'wide', cell: languageOf },
              { id: 'begins', title: t('reservations.begins'), cell: ({ starts_at }) => moment(intl, starts_at) },
              { id: 'ends', title: t('reservations.ends'), kind: 'wide', cell: ({ ends_at }) => moment(intl, ends_at) },
              { id: 'slots', title: t('reservations.slots'), kind: 'wide', cell: ({ slots, promised, ready, used }) => t('reservations.slots.state', { slots, promised, ready, used }) },
              { id: 'acts', title: '', kind: 'number', cell: (reservation) => <IconButton icon="trash" label={`${t('reservations.end')} ${projectOf(reservation)}`} onPress={() => { setEnding(reservation); }} /> },
            ]}
          />
        )}
        {isMaking && <ReserveDialog onClose={() => { setMaking(false); }} />}
        {ending && <EndDialog reservation={ending} onClose={() => { setEnding(null); }} />}
      </div>
    </>
  );
}

function EndDialog({ reservation: { id, slots }, onClose }: { reservation: Reservation; onClose: () => void }) {
  const t = useText();
  const end = useAct(() => client.DELETE('/api/v1/reservations/{id}', { params: { path: { id } } }), ['reservations'], onClose);
  return (
    <FormDialog title={t('reservations.end.title')} submit={t('reservations.end.submit')} look="danger" act={end} onSubmit={() => { end.mutate(); }} onClose={onClose}>
      <p>{t('reservations.end.text', { slots })}</p>
    </FormDialog>
  );
}
