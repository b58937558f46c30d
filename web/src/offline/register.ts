/** After everything that one came for. */
const LATER_MS = 3_000;

/** Installs what answers when the server does not. Browsers have it only by HTTPS and on the machine itself. */
export function registerWorker(): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  setTimeout(() => void register().catch((error: unknown) => { console.warn('there is no page for when the server is away', error); }), LATER_MS);
}

async function register(): Promise<void> {
  // One that is there looks for a newer one by itself, whenever a page is gone to.
  if (await navigator.serviceWorker.getRegistration('/')) return;
  await navigator.serviceWorker.register('/worker.js', { updateViaCache: 'none' });
}
