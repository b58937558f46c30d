import { FormattedRelativeTime, useIntl } from 'react-intl';

const UNITS = [
  { unit: 'day', seconds: 86_400 },
  { unit: 'hour', seconds: 3_600 },
  { unit: 'minute', seconds: 60 },
] as const;

/** How far a time is from now, in the largest unit that it fills. */
export function Ago({ time }: { time: string }) {
  const intl = useIntl();
  const seconds = (Date.parse(time) - Date.now()) / 1_000;
  const { unit, seconds: size } = UNITS.find((unit) => Math.abs(seconds) >= unit.seconds * 0.99) ?? { unit: 'second' as const, seconds: 1 };
  return (
    <time dateTime={time} title={intl.formatDate(time, { dateStyle: 'medium', timeStyle: 'short' })}>
      <FormattedRelativeTime value={Math.round(seconds / size)} unit={unit} numeric="auto" />
    </time>
  );
}
