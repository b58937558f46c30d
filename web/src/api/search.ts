import { queryOptions } from '@tanstack/react-query';
import { command } from './files';

/** In the session itself, which has the files: for so long, and so many rows. What is cut is said to be. */
const SECONDS_MAX = 5;
export const ROWS_MAX = 200;
const LINE_CHARS_MAX = 300;

export type SearchIn = 'names' | 'contents';
/** `line` and `text` where it is a line in a file that was found. */
export type Found = { path: string; line: number | null; text: string };

const NAMES = `timeout ${String(SECONDS_MAX)} find . -name .git -prune -o -iname "*$1*" -print 2>/dev/null | head -n ${String(ROWS_MAX + 1)}; true`;
// A name may have anything in it but the zero that ends it here.
const CONTENTS = `timeout ${String(SECONDS_MAX)} grep -rnIiFZ --exclude-dir=.git -m 20 -e "$1" . 2>/dev/null | cut -c1-4096 | head -n ${String(ROWS_MAX + 1)}; true`;

export const searchQuery = (session: string, where: SearchIn, text: string) =>
  queryOptions({
    queryKey: ['files-found', session, where, text],
    queryFn: async () => {
      const asked = where === 'names' ? text.replace(/[\\*?[\]]/g, '\\$&') : text;
      const said = await command(session, ['sh', '-c', where === 'names' ? NAMES : CONTENTS, 'sh', asked], (SECONDS_MAX + 3) * 1_000);
      return found(said, where);
    },
    enabled: text !== '',
    staleTime: 0,
    retry: false,
  });

/** What the commands say, whoever wrote them: a guest may have put another `grep` in their place. */
export function found(said: string, where: SearchIn): Found[] {
  return said.split('\n').flatMap((row): Found[] => {
    const [name = '', rest = ''] = where === 'names' ? [row] : row.split('\0');
    const path = name.replace(/^\.\//, '');
    if (path === '' || path === '.' || path.startsWith('/') || path.split('/').includes('..')) return [];
    if (where === 'names') return [{ path, line: null, text: '' }];
    const [, line, text = ''] = /^(\d{1,9}):(.*)$/s.exec(rest) ?? [];
    return line === undefined ? [] : [{ path, line: Number(line), text: text.slice(0, LINE_CHARS_MAX) }];
  });
}
