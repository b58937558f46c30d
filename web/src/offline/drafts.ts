import { draftOf } from '../workspace/drafts';
import { here } from '../stores/here';

type KeptDraft = { readonly session: string; readonly path: string; readonly text: string };

const KEY = /^madang\.draft:([^:]+):(.+)$/s;

/** What was typed in this browser by whoever works in it, and no server has got; of this workspace first. */
export function keptDrafts(session: string | null, storage: Storage = localStorage): KeptDraft[] {
  const user = here(storage);
  if (user === null) return [];
  const found = Array.from({ length: storage.length }, (_, at) => storage.key(at) ?? '').flatMap((key): KeptDraft[] => {
    const [, session, path] = KEY.exec(key) ?? [];
    const draft = session === undefined ? null : draftOf(storage.getItem(key));
    return session !== undefined && path !== undefined && draft?.by === user ? [{ session, path, text: draft.text }] : [];
  });
  return found.toSorted((a, b) => Number(b.session === session) - Number(a.session === session) || a.path.localeCompare(b.path));
}
