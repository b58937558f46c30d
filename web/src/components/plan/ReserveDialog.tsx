import { useQuery } from '@tanstack/react-query';
import { useIntl } from 'react-intl';
import { projectsQuery } from '../../api/admin-queries';
import { client, type Schema } from '../../api/client';
import { Problem } from '../../api/problem';
import { languagesQuery } from '../../api/queries';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { moment } from '../../ui/format';
import { Notice } from '../../ui/Notice';
import { SelectField } from '../../ui/SelectField';
import { TextField } from '../../ui/TextField';
import { FormDialog, typed } from '../console/FormDialog';
import styles from '../console/console.module.css';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const GIB = 1024 ** 3;

/** Slots for the hour of a class. What could be promised instead is said where it cannot be kept. */
export function ReserveDialog({ onClose }: { onClose: () => void }) {
  const t = useText();
  const intl = useIntl();
  const { data: languages = [] } = useQuery(languagesQuery);
  const { data: projects = [] } = useQuery(projectsQuery);
  const reserve = useAct((asked: Schema['ReservationCreate']) => client.POST('/api/v1/reservations', { body: asked }), ['reservations'], onClose);
  const submit = (given: FormData) => {
    const [language, project] = ['language', 'project'].map((field) => typed(given, field));
    const [cpu, memory] = ['cpu', 'memory'].map((field) => Number(typed(given, field) ?? 0));
    const resources = { ...(cpu ? { cpu } : {}), ...(memory ? { memory_bytes: Math.round(memory * GIB) } : {}) };
    reserve.mutate({ resources, slots: Number(typed(given, 'slots') ?? 0), starts_at: timeOf(typed(given, 'from')), ends_at: timeOf(typed(given, 'until')), ...(language ? { language } : {}), ...(project ? { project } : {}) });
  };
  const possible = reserve.error instanceof Problem ? reserve.error.possible : null;
  const next = Math.ceil((Date.now() + 5 * MINUTE_MS) / HOUR_MS) * HOUR_MS;
  const ours = projects.filter(({ archived_at }) => !archived_at);
  return (
    <FormDialog title={t('reservations.new')} submit={t('reservations.submit')} act={reserve} onSubmit={submit} onClose={onClose}>
      <div className={styles['pair']}>
        <TextField label={t('reservations.slots')} name="slots" type="number" input={{ min: 1 }} defaultValue="1" isRequired />
        <SelectField label={t('reservations.language')} name="language" options={languages.filter(({ available }) => available).map(({ id, name }) => ({ value: id, label: name }))} />
        {ours.length > 0 && <SelectField label={t('people.project')} name="project" options={ours.map(({ id, name }) => ({ value: id, label: name }))} />}
      </div>
      <div className={styles['pair']}>
        <TextField label={t('reservations.begins')} name="from" type="datetime-local" defaultValue={local(next)} isRequired />
        <TextField label={t('reservations.ends')} name="until" type="datetime-local" defaultValue={local(next + HOUR_MS)} isRequired />
      </div>
      <div className={styles['pair']}>
        <TextField label={t('reservations.cpu')} name="cpu" type="number" inputMode="decimal" input={{ step: 'any', min: 0 }} />
        <TextField label={t('reservations.memory')} name="memory" type="number" inputMode="decimal" input={{ step: 'any', min: 0 }} />
      </div>
      {possible && <Notice tone="warm">{t('reservations.possible', { slots: possible.slots })}{possible.starts_at && ` ${t('reservations.possible.from', { from: moment(intl, possible.starts_at) })}`}</Notice>}
    </FormDialog>
  );
}

/** A moment as the browser's own field has it: the time of whoever looks, without seconds. */
function local(ms: number): string {
  return new Date(ms - new Date(ms).getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 16);
}

/** What no time is is said by the server. */
function timeOf(text: string | undefined): string {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? '' : new Date(ms).toISOString();
}
