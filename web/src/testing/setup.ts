import { cleanup, configure } from '@testing-library/react';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { setupServer } from 'msw/node';
import { Database } from '../../mock-api/database.ts';
import { handlers } from '../../mock-api/handlers.ts';

/** Requests that no handler is for are failures: nothing leaves a test. */
export const server = setupServer();

export let database = new Database();

/** Machines that test are slow at times: what never comes is a failure all the same. */
configure({ asyncUtilTimeout: 60_000 });

beforeAll(() => { server.listen({ onUnhandledRequest: 'error' }); });
beforeEach(() => {
  localStorage.clear();
  database = new Database();
  server.resetHandlers(...handlers(database));
});
afterEach(cleanup);
afterAll(() => { server.close(); });
