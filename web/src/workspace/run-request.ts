import type { Schema } from '../api/client';
import type { RunRequest } from '../api/run-events';
import { extensionOf } from './names';

/** A program that waits for somebody to type, or draws for a while, is no runaway. */
const WALL_MS = 300_000;

/** `here`: in the interpreter that stays, which shows plots and remembers; `afresh`: as a program of its own. */
export type Way = 'here' | 'afresh';

export function ways(language: Schema['LanguageView']): readonly Way[] {
  return (['here', 'afresh'] as const).filter((way) => language.modes.includes(way === 'here' ? 'query' : 'batch'));
}

export function isSource(language: Schema['LanguageView'], path: string): boolean {
  return language.extensions.includes(extensionOf(path));
}

export function requestFor(way: Way, path: string, text: string): RunRequest {
  const limits = { wall_ms: WALL_MS };
  if (way === 'here') return { mode: 'query', code: text, stdin_live: true, limits };
  return { mode: 'batch', files: [{ path, content: text }], stdin_live: true, limits };
}

/** Compiles a sketch and no more: what it runs on is beside it. */
export function compileFor(path: string, text: string): RunRequest {
  return { mode: 'batch', files: [{ path, content: text }], steps: { exec: '' }, limits: { wall_ms: WALL_MS } };
}

/** Where the compiled sketch lies. */
export const programOf = (path: string): string => path.replace(/\.[^./]*$/, '.hex');
