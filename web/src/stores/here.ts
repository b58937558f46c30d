/** Who works in this browser: from the sign-in until somebody signs out. Drafts are shown without a server to nobody else. */
const KEY = 'madang.here';

export function here(storage: Storage = localStorage): string | null {
  return storage.getItem(KEY);
}

export function keepHere(user: string | null): void {
  // Storage may be forbidden; then nothing is kept, and nothing is shown.
  try {
    if (user === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, user);
  } catch (error) {
    console.warn('who works here could not be kept', error);
  }
}
