import type { HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import { USER, type Database } from './database.ts';
import { invalid, notFound, problem } from './problem.ts';

type Schema = components['schemas'];

const http = createOpenApiHttp<paths>({ baseUrl: '*' });
/** As many sessions as the one machine takes at a time. */
export const SLOTS_MAX = 16;
const LASTS_MS_MAX = 30 * 86_400_000;

/** Reservations of one machine: what it could not hold is refused, with what it could. */
export function planHandlers(database: Database): HttpHandler[] {
  const { reservations } = database;
  return [
    http.get('/api/v1/reservations', ({ response }) => response(200).json({ items: [...reservations.values()].filter(({ ends_at }) => ends_at > new Date().toISOString()).sort((one, other) => one.starts_at.localeCompare(other.starts_at)) })),
    http.post('/api/v1/reservations', async ({ request, response }) => {
      const { slots, starts_at, ends_at, language, image, project, resource_group, resources } = await request.json();
      const [from, until] = [Math.max(Date.parse(starts_at), Date.now()), Date.parse(ends_at)];
      const home = database.projectNamed(project ?? 'default');
      const refused = (Number.isNaN(from) ? invalid('starts_at', '`starts_at` is no time of RFC 3339') : null)
        ?? (until > from && until - from <= LASTS_MS_MAX ? null : invalid('ends_at', `\`ends_at\` is after \`starts_at\` and now, by ${String(LASTS_MS_MAX)} ms at most`))
        ?? (language && !database.languages.some(({ id }) => id === language) ? invalid('language', `there is no language \`${language}\``) : null)
        ?? (slots < 1 ? invalid('slots', 'a reservation is for one slot at least') : null)
        ?? (home ? null : notFound(`project ${project ?? ''}`))
        ?? unkeepable([...reservations.values()], { slots, from, until });
      if (refused || !home) return response.untyped(refused ?? notFound('project'));
      const reservation: Schema['ReservationView'] = { id: database.nextId('rsv'), resource_group: resource_group ?? 'default', project: home.id, owner: USER.id, image: image ?? 'host', language: language ?? null, resources: resources ?? {}, slots, starts_at: new Date(from).toISOString(), ends_at: new Date(until).toISOString(), promised: slots, ready: 0, used: 0 };
      reservations.set(reservation.id, reservation);
      return response(201).json(reservation);
    }),
    http.delete('/api/v1/reservations/{id}', ({ params, response }) => {
      const reservation = reservations.get(params.id);
      reservations.delete(params.id);
      return reservation ? response(200).json(reservation) : response.untyped(notFound(`reservation ${params.id}`));
    }),
  ];
}

/** What is promised at once is most where one reservation begins. */
function unkeepable(others: readonly Schema['ReservationView'][], { slots, from, until }: { slots: number; from: number; until: number }) {
  const beside = others.filter((other) => Date.parse(other.starts_at) < until && Date.parse(other.ends_at) > from);
  const promised = (at: number) => beside.filter((other) => Date.parse(other.starts_at) <= at && Date.parse(other.ends_at) > at).reduce((sum, other) => sum + other.slots, 0);
  const most = Math.max(0, ...[from, ...beside.map(({ starts_at }) => Math.max(from, Date.parse(starts_at)))].map(promised));
  const possible = SLOTS_MAX - most;
  if (slots <= possible) return null;
  const over = slots > SLOTS_MAX ? null : beside.map(({ ends_at }) => ends_at).sort().at(-1);
  const later = over ? `; all of them from ${over} on, if sessions end when they must` : '';
  return problem(409, 'unkeepable', `${String(slots)} slots cannot be promised for this time, ${String(possible)} could be${later}`, { possible: { slots: possible, ...(over ? { starts_at: over } : {}) } });
}
