import type { KeyboardEvent } from 'react';

export type Command = 'run' | 'run-next' | 'run-insert' | 'edit' | 'leave' | 'next' | 'previous' | 'above' | 'below' | 'delete' | 'undelete' | 'code' | 'markdown' | 'up' | 'down' | 'interrupt';

/** Keys of a cell that is selected but not written in, as Jupyter has them. */
const COMMANDS: Readonly<Record<string, Command>> = {
  Enter: 'edit',
  ArrowDown: 'next',
  j: 'next',
  ArrowUp: 'previous',
  k: 'previous',
  a: 'above',
  b: 'below',
  z: 'undelete',
  y: 'code',
  m: 'markdown',
};

/** Two of these within this time are one command. */
const TWICE_MS = 700;
const TWICE: Readonly<Record<string, Command>> = { d: 'delete', i: 'interrupt' };
let last = { key: '', at: 0 };

/** What a key means to the notebook; none where it means something to what has the focus. */
export function notebookKey(event: KeyboardEvent): Command | null {
  if (event.nativeEvent.isComposing || !(event.target instanceof Element)) return null;
  const modified = event.ctrlKey || event.metaKey;
  if (event.key === 'Enter' && (event.shiftKey || modified || event.altKey)) return event.shiftKey ? 'run-next' : event.altKey ? 'run-insert' : 'run';
  if (modified && event.shiftKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) return event.key === 'ArrowUp' ? 'up' : 'down';
  if (event.target.closest('.cm-editor')) return event.key === 'Escape' && !isBusy(event.target) ? 'leave' : null;
  if (!event.target.matches('[data-cell]') || modified || event.altKey || event.shiftKey) return null;
  const twice = TWICE[event.key];
  if (!twice) return COMMANDS[event.key] ?? null;
  const isSecond = last.key === event.key && event.timeStamp - last.at < TWICE_MS;
  last = isSecond ? { key: '', at: 0 } : { key: event.key, at: event.timeStamp };
  return isSecond ? twice : null;
}

/** Whether the editor has something open that Escape closes first. */
function isBusy(target: Element): boolean {
  return target.closest('.cm-editor')?.querySelector('.cm-tooltip-autocomplete, .cm-panel') !== null;
}
