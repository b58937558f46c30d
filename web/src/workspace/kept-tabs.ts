type Kept = { paths: string[]; active: string | null };

const keyOf = (session: string) => `madang.tabs:${session}`;

export function keepTabs(session: string, kept: Kept): void {
  localStorage.setItem(keyOf(session), JSON.stringify(kept));
}

/** What was open when this workspace was last looked at. */
export function keptTabs(session: string): Kept {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(keyOf(session)) ?? '{}');
    if (typeof kept === 'object' && kept !== null && 'paths' in kept && Array.isArray(kept.paths)) {
      const paths = kept.paths.filter((path): path is string => typeof path === 'string');
      return { paths, active: 'active' in kept && typeof kept.active === 'string' ? kept.active : null };
    }
  } catch {
    // As if nothing had been kept.
  }
  return { paths: [], active: null };
}
