import { Compartment, EditorState, type Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { useEffect, useRef } from 'react';
import { useText } from '../../i18n/text';
import { languageFor } from '../../workspace/editor-language';
import { baseOf, shown } from '../../workspace/names';
import type { Tab } from '../../workspace/tabs';
import { changes, editing, endings, numbered, replaced } from './code-mirror';
import styles from './Editor.module.css';

const basics: Extension = [editing, numbered];

/** While a file is being read nothing can be typed: it would go to no file, or to the one before. */
const nothing = EditorState.create({ extensions: [basics, EditorView.editable.of(false), EditorState.readOnly.of(true)] });

type Kept = { state: EditorState; version: number };
type Props = { tab: Tab; onEdit: (latest: () => string) => void };

/** CodeMirror on the tab that is looked at; what was undone and selected in the others is kept. */
export function Editor({ tab, onEdit }: Props) {
  const t = useText();
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const kept = useRef(new Map<string, Kept>());
  const edit = useRef(onEdit);
  const label = t('editor.label', { file: shown(baseOf(tab.path)) });
  useEffect(() => { edit.current = onEdit; });
  useEffect(() => {
    if (!place.current) return undefined;
    // With its extensions from the first: it makes its style elements at once, and they need the nonce.
    const made = new EditorView({ parent: place.current, state: nothing });
    view.current = made;
    return () => { made.destroy(); view.current = null; };
  }, []);
  const { path, version, text } = tab;
  useEffect(() => {
    const shownNow = view.current;
    if (!shownNow) return undefined;
    if (text === null) {
      shownNow.setState(nothing);
      return undefined;
    }
    const states = kept.current;
    const before = states.get(path);
    // Somebody else's change to what is being looked at: the place, the focus and what can be undone stay.
    if (before?.state === shownNow.state && before.version !== version) {
      shownNow.dispatch(replaced(shownNow.state, text));
      return () => { states.set(path, { state: shownNow.state, version }); };
    }
    const language = new Compartment();
    const fresh = before?.version !== version;
    const state = fresh ? newState(text, [endings(text), language.of([]), changes(() => edit.current), EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' })]) : before.state;
    shownNow.setState(state);
    if (fresh) void languageFor(path).then((support) => { if (view.current === shownNow && support) shownNow.dispatch({ effects: language.reconfigure(support) }); }).catch(() => undefined);
    shownNow.focus();
    return () => { states.set(path, { state: shownNow.state, version }); };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `text` belongs to `version`: the editor has newer text of its own
  }, [path, version, label]);
  return <div ref={place} className={styles['editor']} />;
}

function newState(doc: string, more: Extension): EditorState {
  return EditorState.create({ doc, extensions: [basics, more] });
}
