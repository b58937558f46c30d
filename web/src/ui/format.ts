import type { IntlShape } from 'react-intl';

const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1.5 GiB`. */
export function bytes(intl: IntlShape, value: number): string {
  const step = Math.min(BYTES.length - 1, value >= 1 ? Math.floor(Math.log2(value) / 10) : 0);
  return `${intl.formatNumber(value / 1024 ** step, { maximumFractionDigits: step === 0 ? 0 : 1 })} ${BYTES[step] ?? 'B'}`;
}

const SPANS = [
  { unit: 'day', ms: 86_400_000 },
  { unit: 'hour', ms: 3_600_000 },
  { unit: 'minute', ms: 60_000 },
  { unit: 'second', ms: 1_000 },
] as const;

/** A length of time in the largest unit that it fills: `1.5 hr`. */
export function span(intl: IntlShape, ms: number): string {
  const { unit, ms: size } = SPANS.find((span) => ms >= span.ms) ?? { unit: 'millisecond' as const, ms: 1 };
  return intl.formatNumber(ms / size, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 1 });
}

/** Thousandths of a processor, as processors. */
export function processors(intl: IntlShape, millis: number): string {
  return intl.formatNumber(millis / 1_000, { maximumFractionDigits: 2 });
}

/** Millionths of a currency. */
export function money(intl: IntlShape, micro: number, currency: string | null | undefined): string {
  const value = intl.formatNumber(micro / 1_000_000, { maximumFractionDigits: 4 });
  if (!currency || !/^[A-Z]{3}$/.test(currency)) return currency ? `${value} ${currency}` : value;
  return intl.formatNumber(micro / 1_000_000, { style: 'currency', currency, maximumFractionDigits: 4 });
}

export function moment(intl: IntlShape, time: string): string {
  return intl.formatDate(time, { dateStyle: 'medium', timeStyle: 'medium' });
}

/** A day, where the hour says nothing. */
export function day(intl: IntlShape, time: string): string {
  return intl.formatDate(time, { dateStyle: 'medium' });
}
