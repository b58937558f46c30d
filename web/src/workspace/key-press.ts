import { acceptCompletion, completionStatus, insertBracket, moveCompletionSelection } from '@codemirror/autocomplete';
import { cursorCharLeft, cursorCharRight, cursorLineDown, cursorLineUp, indentMore, insertTab, undo } from '@codemirror/commands';
import { EditorView, type Command } from '@codemirror/view';

export type PressedKey = 'tab' | 'undo' | 'left' | 'right' | 'up' | 'down' | { text: string };

const COMMANDS = { undo, left: cursorCharLeft, right: cursorCharRight, up: cursorLineUp, down: cursorLineDown };

const OFFERED: Readonly<Partial<Record<Exclude<PressedKey, object>, Command>>> = { tab: acceptCompletion, up: moveCompletionSelection(false), down: moveCompletionSelection(true) };

/** Does in the editor within `place` what a key does that keyboards of phones do not have. */
export function pressKey(place: HTMLElement, key: PressedKey): void {
  const content = written(place);
  const view = content && EditorView.findFromDOM(content);
  if (!view) return;
  // While completions are offered, its keys go among them and take one.
  const chosen = completionStatus(view.state) === 'active' && typeof key === 'string' ? OFFERED[key] : undefined;
  if (chosen?.(view)) return;
  if (key === 'tab') (view.state.selection.main.empty ? insertTab : indentMore)(view);
  else if (typeof key === 'string') COMMANDS[key](view);
  // A bracket brings the one that closes it, as when it is typed.
  else view.dispatch(insertBracket(view.state, key.text) ?? view.state.update(view.state.replaceSelection(key.text), { userEvent: 'input.type' }));
  view.focus();
}

/** The text that is written in; where that is none, the one file that is seen. */
function written(place: HTMLElement): HTMLElement | null {
  const all = [...place.querySelectorAll<HTMLElement>('.cm-content')];
  return all.find((text) => text.contains(document.activeElement)) ?? all.find((text) => text.closest('[hidden], [data-cell]') === null) ?? null;
}
