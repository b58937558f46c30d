import type { Extension } from '@codemirror/state';
import { extensionOf } from './names';

type Load = () => Promise<Extension>;

const cpp: Load = async () => (await import('@codemirror/lang-cpp')).cpp();
const javascript = (options: { jsx?: boolean; typescript?: boolean }): Load => async () => (await import('@codemirror/lang-javascript')).javascript(options);

/** By the ends of names; each is loaded when a file needs it. */
const LANGUAGES: Readonly<Record<string, Load>> = {
  py: async () => (await import('@codemirror/lang-python')).python(),
  js: javascript({ jsx: true }),
  mjs: javascript({ jsx: true }),
  ts: javascript({ typescript: true }),
  tsx: javascript({ typescript: true, jsx: true }),
  c: cpp,
  h: cpp,
  cc: cpp,
  cpp,
  ino: cpp,
  hpp: cpp,
  java: async () => (await import('@codemirror/lang-java')).java(),
  rs: async () => (await import('@codemirror/lang-rust')).rust(),
  go: async () => (await import('@codemirror/lang-go')).go(),
  md: async () => (await import('@codemirror/lang-markdown')).markdown(),
  json: async () => (await import('@codemirror/lang-json')).json(),
};

/** How a file is coloured and indented, where that is known. */
export async function languageFor(path: string): Promise<Extension | null> {
  return (await LANGUAGES[extensionOf(path)]?.()) ?? null;
}
