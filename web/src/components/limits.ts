import type { IntlShape } from 'react-intl';
import type { Schema } from '../api/client';
import type { MessageId, useText } from '../i18n/text';
import { bytes, processors, span } from '../ui/format';

type Text = ReturnType<typeof useText>;

/** Limits of policies that have a name in every language, in the order that people ask for them. */
export const LIMITS = [
  'sessions_max',
  'sessions_pending_max',
  'cpu_millis_max',
  'memory_bytes_max',
  'disk_bytes_max',
  'accelerator_millis_max',
  'session_timeout_ms_max',
  'session_idle_ms_max',
  'session_wait_ms_max',
  'session_sandboxes_max',
  'priority_max',
  'runs_max',
  'folders_max',
  'folder_bytes',
  'folder_files',
  'images_max',
] as const satisfies readonly (keyof Schema['PolicyLimits'])[];

const LISTS = ['networks', 'images', 'resource_groups'] as const;

export function limitName(limit: string, t: Text): string {
  const known = [...LIMITS, ...LISTS].find((known) => known === limit);
  return known ? t(`limit.${known}` satisfies MessageId) : limit;
}

/** A bound as people say it: `2 GiB`, `4 hr`. */
export function limitText(limit: string, value: number, intl: IntlShape): string {
  if (limit.includes('bytes')) return bytes(intl, value);
  if (limit.includes('_ms')) return span(intl, value);
  if (limit.includes('_millis')) return processors(intl, value);
  return intl.formatNumber(value);
}

/** In what people type a bound, and how much one of it is. */
export function limitUnit(limit: string): { unit: MessageId | null; size: number } {
  if (limit.includes('bytes')) return { unit: 'unit.gib', size: 1024 ** 3 };
  if (limit.includes('idle') || limit.includes('wait')) return { unit: 'unit.minutes', size: 60_000 };
  if (limit.includes('_ms')) return { unit: 'unit.hours', size: 3_600_000 };
  return { unit: null, size: limit.includes('_millis') ? 1_000 : 1 };
}
