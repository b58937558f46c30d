import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { Annotation, EditorState, type Extension, type TransactionSpec } from '@codemirror/state';
import { crosshairCursor, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers, rectangularSelection } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { nonce } from '../../nonce';

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: 'var(--code-keyword)', fontWeight: '550' },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: 'var(--code-string)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--code-number)' },
  { tag: [tags.comment], color: 'var(--code-comment)', fontStyle: 'italic' },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.macroName], color: 'var(--code-function)' },
  { tag: [tags.typeName, tags.className, tags.namespace], color: 'var(--code-type)' },
  { tag: [tags.definition(tags.variableName), tags.propertyName], color: 'var(--code-name)' },
  { tag: [tags.heading], fontWeight: '650' },
  { tag: [tags.link, tags.url], textDecoration: 'underline' },
  { tag: [tags.invalid], color: 'var(--danger)' },
]);

/** What every editor here does. Given from the first: its style elements are made at once, and need the nonce. */
export const editing: Extension = [
  nonce === '' ? [] : EditorView.cspNonce.of(nonce),
  highlightSpecialChars(), history(), drawSelection(),
  EditorState.allowMultipleSelections.of(true), indentOnInput(), syntaxHighlighting(colours), bracketMatching(), closeBrackets(),
  autocompletion(), rectangularSelection(), crosshairCursor(), highlightSelectionMatches(),
  indentUnit.of('    '), EditorState.tabSize.of(4),
  keymap.of([...closeBracketsKeymap, ...defaultKeymap.filter(({ key }) => key !== 'Mod-Enter'), ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, indentWithTab]),
];

/** What stands beside the lines of a file. */
export const numbered: Extension = [lineNumbers(), highlightActiveLineGutter(), foldGutter(), highlightActiveLine()];

/** A file whose every line ends as on Windows goes on so. */
export function endings(text: string): Extension {
  const isWindows = text.includes('\r\n') && !/(?:^|[^\r])\n|\r(?!\n)/.test(text);
  return isWindows ? EditorState.lineSeparator.of('\r\n') : [];
}

/** A change that was made elsewhere and is saved already. */
const elsewhere = Annotation.define<boolean>();

/** Another text in the place of this one, in which only what differs is touched. */
export function replaced(state: EditorState, text: string): TransactionSpec {
  const next = state.toText(text);
  const [old, now] = [state.doc.toString(), next.toString()];
  const least = Math.min(old.length, now.length);
  let from = 0;
  while (from < least && old[from] === now[from]) from += 1;
  let after = 0;
  while (after < least - from && old[old.length - 1 - after] === now[now.length - 1 - after]) after += 1;
  return { changes: { from, to: old.length - after, insert: next.slice(from, now.length - after) }, annotations: elsewhere.of(true) };
}

/** Tells what the text is, whenever it is changed here; it is put together only when it is asked for. */
export function changes(edit: () => (latest: () => string) => void): Extension {
  return EditorView.updateListener.of((update) => {
    if (update.docChanged && !update.transactions.every((one) => one.annotation(elsewhere))) {
      const { state } = update;
      edit()(() => state.sliceDoc());
    }
  });
}
