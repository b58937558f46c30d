import { useState } from 'react';
import { useIntl } from 'react-intl';
import type { Schema } from '../../api/client';
import { useText } from '../../i18n/console';
import { IconButton } from '../../ui/Button';
import styles from './MonthCalendar.module.css';

type Reservation = Schema['ReservationView'];
type Props = { reservations: readonly Reservation[]; what: (reservation: Reservation) => string };

const DAY_MS = 86_400_000;
const DAYS = [0, 1, 2, 3, 4, 5, 6] as const;
/** Of one day; the table below has all of them. */
const SHOWN_MAX = 3;

/** A month, and on which of its days something is promised. Days are those of whoever looks. */
export function MonthCalendar({ reservations, what }: Props) {
  const t = useText();
  const intl = useIntl();
  const [month, setMonth] = useState(() => { const now = new Date(); return new Date(now.getFullYear(), now.getMonth(), 1); });
  const go = (by: number) => { setMonth(new Date(month.getFullYear(), month.getMonth() + by, 1)); };
  const title = intl.formatDate(month, { year: 'numeric', month: 'long' });
  return (
    <section aria-label={t('reservations.title')}>
      <div className={styles['head']}>
        <IconButton icon="back" label={t('reservations.month.before')} onPress={() => { go(-1); }} />
        <h2 aria-live="polite">{title}</h2>
        <IconButton icon="chevron" label={t('reservations.month.after')} onPress={() => { go(1); }} />
      </div>
      <table className={styles['month']} aria-label={title}>
        <thead>
          <tr>{DAYS.map((day) => <th key={day} scope="col">{intl.formatDate(new Date(2026, 1, 1 + day), { weekday: 'short' })}</th>)}</tr>
        </thead>
        <tbody>
          {weeks(month).map((week) => (
            <tr key={week[0]?.getTime()}>
              {week.map((day) => <Day key={day.getTime()} day={day} isOther={day.getMonth() !== month.getMonth()} reservations={reservations.filter((reservation) => isOn(reservation, day))} what={what} />)}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Day({ day, isOther, reservations, what }: Props & { day: Date; isOther: boolean }) {
  const t = useText();
  const intl = useIntl();
  const isToday = day.toDateString() === new Date().toDateString();
  const shown = reservations.slice(0, SHOWN_MAX);
  return (
    <td className={[isOther ? styles['other'] : '', isToday ? styles['today'] : ''].join(' ')} aria-current={isToday ? 'date' : undefined}>
      <time dateTime={day.toISOString()}>{intl.formatNumber(day.getDate())}</time>
      {shown.map((reservation) => {
        const text = `${intl.formatTime(reservation.starts_at)} ${t('reservations.day', { slots: reservation.slots, what: what(reservation) })}`;
        return <span key={reservation.id} className={styles['entry']} title={text}><span aria-hidden="true" className={styles['count']}>{intl.formatNumber(reservation.slots)}</span><span className={styles['whole']}>{text}</span></span>;
      })}
      {reservations.length > shown.length && <span className={styles['entry']}>{`+${String(reservations.length - shown.length)}`}</span>}
    </td>
  );
}

/** Whole weeks from Sunday on, that the month lies in. */
function weeks(month: Date): Date[][] {
  const begin = new Date(month.getFullYear(), month.getMonth(), 1 - month.getDay());
  const last = new Date(month.getFullYear(), month.getMonth() + 1, 0);
  const count = Math.ceil((Math.round((last.getTime() - begin.getTime()) / DAY_MS) + 1) / 7);
  return Array.from({ length: count }, (_, week) => DAYS.map((day) => new Date(begin.getFullYear(), begin.getMonth(), begin.getDate() + week * 7 + day)));
}

function isOn({ starts_at, ends_at }: Reservation, day: Date): boolean {
  const next = new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1);
  return Date.parse(starts_at) < next.getTime() && Date.parse(ends_at) > day.getTime();
}
