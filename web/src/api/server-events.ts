import { sendTo, type Schema } from './client';
import { lines } from './lines';
import { isPassing } from './problem';

export type ServerEvent = Schema['ServerEvent'];

const RETRY_MS = 1_000;

/**
 * What happens on the server, as far as whoever asks may see it, from now on and until `signal`; breaks are bridged by the server's numbers
 * where it still knows them. `onHearing` is told each time that nothing more is missed from then on.
 */
export async function* serverEvents(signal: AbortSignal, onHearing: () => void): AsyncGenerator<ServerEvent> {
  let last: number | null = null;
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = { accept: 'application/x-ndjson' };
      if (last !== null) headers['last-event-id'] = String(last);
      const answer = await sendTo('/api/v1/events', { headers, signal });
      onHearing();
      for await (const line of lines(answer)) {
        const event = JSON.parse(line) as ServerEvent;
        last = event.seq;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof TypeError) && !isPassing(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
