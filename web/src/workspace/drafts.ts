import { here } from '../stores/here';

/** A text that the server has not got, what it was written over, and prints of what was sent meanwhile without hearing what became of it. */
export type Draft = { base: string; text: string; sent: readonly string[] };

/** Where texts are kept until the server has them. */
export type Drafts = {
  get: (path: string) => Draft | null;
  set: (path: string, draft: Draft) => void;
  remove: (path: string) => void;
};

/** Drafts in the browser's storage, of one session. */
export function storedDrafts(session: string, storage: Storage = localStorage): Drafts {
  const key = (path: string) => `madang.draft:${session}:${path}`;
  return {
    get: (path) => draftOf(storage.getItem(key(path))),
    set: (path, draft) => {
      // Storage may be full or forbidden: the server is still asked, and the page says that the text is not saved.
      try {
        storage.setItem(key(path), JSON.stringify({ ...draft, by: here(storage) }));
      } catch (error) {
        console.warn('a draft could not be kept', error);
      }
    },
    remove: (path) => { storage.removeItem(key(path)); },
  };
}

/** A draft as it stands in the storage, and who wrote it; none where it is none. */
export function draftOf(kept: string | null): (Draft & { by: string | null }) | null {
  const value = parsed(kept);
  if (typeof value !== 'object' || value === null || !('base' in value) || !('text' in value)) return null;
  const { base, text } = value;
  if (typeof base !== 'string' || typeof text !== 'string') return null;
  const sent: unknown[] = 'sent' in value && Array.isArray(value.sent) ? value.sent : [];
  return { base, text, sent: sent.filter((one) => typeof one === 'string'), by: 'by' in value && typeof value.by === 'string' ? value.by : null };
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return null;
  }
}
