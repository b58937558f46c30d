import { EditorView } from '@codemirror/view';
import { goToDefinition } from './definition';
import { explain } from './hover';
import { nextProblem } from './problems';

const COMMANDS = { definition: goToDefinition, explain, problem: nextProblem };

/** Does in the file that is looked at what a key does. */
export function actInEditor(name: keyof typeof COMMANDS): void {
  const content = [...document.querySelectorAll<HTMLElement>('.cm-content')].find((text) => text.closest('[hidden], [data-cell]') === null);
  const view = content && EditorView.findFromDOM(content);
  if (!view) return;
  view.focus();
  COMMANDS[name](view);
}
