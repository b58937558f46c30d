import { queryOptions } from '@tanstack/react-query';
import { body, client, type Schema } from './client';

export const USAGE_BY = ['day', 'user', 'project', 'organization', 'image', 'language', 'node'] as const satisfies readonly Schema['UsageBy'][];
export const USAGE_DAYS = [7, 30, 90] as const;

/** Which sums; stands in the address. */
export type UsageSearch = { by?: Schema['UsageBy'] | undefined; days?: (typeof USAGE_DAYS)[number] | undefined; user?: string | undefined; project?: string | undefined; measure?: Measure | undefined };

const HOUR_US = 3_600_000_000;
const GIB = 1024 ** 3;

/** What can be plotted of a sum, in its unit. */
export const MEASURES = {
  cpu: { unit: 'usage.unit.hours', of: (sum: Schema['UsageSum']) => (sum.cpu_user_us + sum.cpu_system_us) / HOUR_US },
  memory: { unit: 'usage.unit.gibHours', of: (sum: Schema['UsageSum']) => sum.memory_mib_s / 1_024 / 3_600 },
  wall: { unit: 'usage.unit.hours', of: (sum: Schema['UsageSum']) => sum.wall_us / HOUR_US },
  network: { unit: 'usage.unit.gib', of: (sum: Schema['UsageSum']) => (sum.received_bytes + sum.sent_bytes) / GIB },
  records: { unit: 'usage.unit.count', of: (sum: Schema['UsageSum']) => sum.records },
} as const;
export type Measure = keyof typeof MEASURES;
export const MEASURE_NAMES = Object.keys(MEASURES) as Measure[];

const DAY_MS = 86_400_000;
const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** The first and the last of so many days up to today. */
export function lastDays(days: number): { from: string; to: string } {
  const now = Date.now();
  return { from: day(now - (days - 1) * DAY_MS), to: day(now) };
}

export const usageQuery = ({ by, days, user, project }: UsageSearch) =>
  queryOptions({
    queryKey: ['usage', by, days, user, project],
    queryFn: () => body(client.GET('/api/v1/usage', { params: { query: { by: by ?? 'day', ...lastDays(days ?? 30), ...(user ? { user } : {}), ...(project ? { project } : {}) } } })),
  });

export const budgetsQuery = queryOptions({ queryKey: ['budgets'], queryFn: async () => (await body(client.GET('/api/v1/budgets'))).items });

export const pricesQuery = queryOptions({ queryKey: ['prices'], queryFn: async () => (await body(client.GET('/api/v1/prices'))).items });
