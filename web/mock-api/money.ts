import type { HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import { USER, type Database } from './database.ts';
import { invalid, notFound, problem } from './problem.ts';

type Schema = components['schemas'];

const http = createOpenApiHttp<paths>({ baseUrl: '*' });
const [WARN, THROTTLE] = [80, 90];
const BUDGETS_MAX = 16;
const now = () => new Date().toISOString();

/** Prices, budgets and sums of what was used. Nothing runs here, so nothing is spent. */
export function moneyHandlers(database: Database): HttpHandler[] {
  const today = () => now().slice(0, 10);
  return [
    ...priceHandlers(database),
    ...budgetHandlers(database),
    http.get('/api/v1/usage', ({ query, response }) => response(200).json({ by: query.get('by') ?? 'day', from: query.get('from') ?? today(), to: query.get('to') ?? today(), items: [], truncated: false })),
  ];
}

function priceHandlers({ prices, nextId }: Database): HttpHandler[] {
  /** Of each unit the newest that has begun is in force. */
  const shown = (price: Schema['PriceView']): Schema['PriceView'] => {
    const begun = [...prices.values()].filter(({ unit, from }) => unit === price.unit && from <= now()).map(({ from }) => from).sort();
    return { ...price, in_force: begun.at(-1) === price.from };
  };
  return [
    http.get('/api/v1/prices', ({ response }) => response(200).json({ items: [...prices.values()].map(shown).sort((one, other) => one.unit.localeCompare(other.unit) || one.from.localeCompare(other.from)) })),
    http.post('/api/v1/prices', async ({ request, response }) => {
      const { unit, micro, currency, from } = await request.json();
      const known = [...prices.values()][0]?.currency;
      const refused = (from && from < now() ? invalid('from', 'what was used is paid by the prices of its time: a price begins now or later') : null)
        ?? (/^[A-Z]{3}$/.test(currency) ? null : invalid('currency', 'a currency is three capital letters, as in EUR'))
        ?? (known && known !== currency ? problem(409, 'conflict', `prices are in ${known}; what costs in two currencies has no sum`) : null);
      if (refused) return response.untyped(refused);
      const price = { id: nextId('prc'), unit, micro, currency, from: from ?? now(), in_force: false };
      prices.set(price.id, price);
      return response(201).json(shown(price));
    }),
    http.delete('/api/v1/prices/{id}', ({ params, response }) => {
      const price = prices.get(params.id);
      if (!price) return response.untyped(notFound(`price ${params.id}`));
      if (price.from <= now()) return response.untyped(problem(409, 'conflict', 'the price has begun, and what was used is paid by it; set another one'));
      prices.delete(params.id);
      return response(200).json(shown(price));
    }),
  ];
}

function budgetHandlers(database: Database): HttpHandler[] {
  const { budgets, prices } = database;
  const shown = (budget: Schema['BudgetView']): Schema['BudgetView'] => ({ ...budget, currency: [...prices.values()][0]?.currency ?? null });
  return [
    http.get('/api/v1/budgets', ({ response }) => response(200).json({ items: [...budgets.values()].map(shown) })),
    http.post('/api/v1/budgets', async ({ request, response }) => {
      const { user, project, limit_micro, period, at_limit = 'stop', warn_percent, throttle_percent } = await request.json();
      const percents = { warn_percent: warn_percent ?? WARN, throttle_percent: throttle_percent ?? THROTTLE };
      const wrong = Object.entries(percents).find(([, percent]) => percent < 1 || percent > 100)?.[0];
      const holder = project ? database.projectNamed(project) : database.userNamed(user ?? USER.id);
      const refused = (user && project ? invalid('project', 'give `user` or `project`, not both') : null)
        ?? (wrong ? invalid(wrong, `\`${wrong}\` is between 1 and 100`) : null)
        ?? (limit_micro < 1 ? invalid('limit_micro', 'a budget is between 1 and 1000000000000000000 (LIMIT_MICRO_MAX)') : null)
        ?? ([...budgets.values()].filter((budget) => (budget.project ?? budget.user) === holder?.id).length >= BUDGETS_MAX ? problem(429, 'too-many', `at most ${String(BUDGETS_MAX)} at once (BUDGETS_MAX)`, { limit: 'BUDGETS_MAX' }) : null);
      if (refused || !holder) return response.untyped(refused ?? notFound(project ? `project ${project}` : `user ${user ?? ''}`));
      const whose = project ? { project: holder.id } : { user: holder.id };
      const budget: Schema['BudgetView'] = { id: database.nextId('bdg'), ...whose, name: holder.name, period, limit_micro, at_limit, ...percents, spent_micro: 0, level: 'open', created_by: USER.id, created_at: now(), renews_at: renews(period) };
      budgets.set(budget.id, budget);
      return response(201).json(shown(budget));
    }),
    http.delete('/api/v1/budgets/{id}', ({ params, response }) => {
      const budget = budgets.get(params.id);
      budgets.delete(params.id);
      return budget ? response(200).json(shown(budget)) : response.untyped(notFound(`budget ${params.id}`));
    }),
  ];
}

/** Days and months are UTC. */
function renews(period: Schema['BudgetPeriod']): string | null {
  const at = new Date();
  const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()];
  if (period === 'total') return null;
  return new Date(period === 'day' ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1)).toISOString();
}
