import { Compartment, EditorState, type Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { useEffect, useRef, useState } from 'react';
import { languageFor } from '../../workspace/editor-language';
import { changes, editing } from './code-mirror';
import styles from './Editor.module.css';

type Props = { source: string; /** Stands for a file whose name says the language. */ path: string; label: string; isFocused: boolean; onEdit: (source: string) => void };

const named = (label: string): Extension => EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' });

/** The text of one cell. What it begins with is all of the text that it takes from outside. */
export function CellEditor({ source, path, label, isFocused, onEdit }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const edit = useRef(onEdit);
  const [begin] = useState({ source, isFocused, label });
  const [parts] = useState(() => ({ language: new Compartment(), label: new Compartment() }));
  useEffect(() => { edit.current = onEdit; });
  useEffect(() => {
    if (!place.current) return undefined;
    const hear = changes(() => (latest) => { edit.current(latest()); });
    const extensions = [editing, EditorView.lineWrapping, parts.language.of([]), parts.label.of(named(begin.label)), hear];
    const made = new EditorView({ parent: place.current, state: EditorState.create({ doc: begin.source, extensions }) });
    view.current = made;
    if (begin.isFocused) made.focus();
    return () => { made.destroy(); view.current = null; };
  }, [begin, parts]);
  // The number of a cell is in its name: it changes when others come and go, and what was undone here stays.
  useEffect(() => { view.current?.dispatch({ effects: parts.label.reconfigure(named(label)) }); }, [label, parts]);
  useEffect(() => {
    const shown = view.current;
    void languageFor(path).then((support) => { if (support && view.current === shown) shown?.dispatch({ effects: parts.language.reconfigure(support) }); }).catch(() => undefined);
  }, [path, parts]);
  return <div ref={place} className={[styles['editor'], styles['cell']].join(' ')} />;
}
