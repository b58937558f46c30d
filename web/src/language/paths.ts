/** Where files of a workspace are, as its language servers call them. */
const HOME = '/home/work';
export const ROOT_URI = `file://${HOME}`;
const URI_CHARS_MAX = 8_192;

export const uriOf = (path: string): string => `${ROOT_URI}/${path.split('/').map(encodeURIComponent).join('/')}`;

/** A file in the workspace, or one elsewhere in the sandbox, by its whole name. */
export type Whereabouts = { readonly inside: string } | { readonly outside: string };

/** What a server calls a file. It may call it anything; none where it is no file. */
export function whereabouts(uri: unknown): Whereabouts | null {
  if (typeof uri !== 'string' || uri.length > URI_CHARS_MAX || !uri.startsWith('file:///')) return null;
  let name: string;
  try {
    name = decodeURIComponent(uri.slice('file://'.length));
  } catch {
    return null;
  }
  const parts = name.slice(1).split('/');
  if (name.includes('\0') || parts.some((part) => part === '' || part === '.' || part === '..')) return null;
  return name.startsWith(`${HOME}/`) ? { inside: name.slice(HOME.length + 1) } : { outside: name };
}
