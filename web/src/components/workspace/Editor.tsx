import { Compartment, EditorState, type Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { useEffect, useRef } from 'react';
import { useText } from '../../i18n/text';
import { languageFor } from '../../workspace/editor-language';
import { baseOf, shown } from '../../workspace/names';
import type { Place, Tab } from '../../workspace/tabs';
import { useWorkspace } from '../../workspace/workspace';
import { changes, editing, endings, numbered, replaced } from './code-mirror';
import styles from './Editor.module.css';

const basics: Extension = [editing, numbered];

/** While a file is being read nothing can be typed: it would go to no file, or to the one before. */
const nothing = EditorState.create({ extensions: [basics, EditorView.editable.of(false), EditorState.readOnly.of(true)] });

/** So long after a text is shown its language server is thought of. */
const SERVICE_AFTER_MS = 300;

const isBare = (extension: Extension | undefined) => Array.isArray(extension) && extension.length === 0;

type Kept = { state: EditorState; version: number; /** Where its language server is put in. */ service: Compartment };
type Props = { tab: Tab; onEdit: (latest: () => string) => void };

/** CodeMirror on the tab that is looked at; what was undone and selected in the others is kept. */
export function Editor({ tab, onEdit }: Props) {
  const t = useText();
  const { tabs, services } = useWorkspace();
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
    const held = (service: Compartment) => {
      const detach = attached(shownNow, service, async () => (await services.of(path)?.extensionFor(path)) ?? null);
      return () => {
        detach();
        states.set(path, { state: shownNow.state, version, service });
      };
    };
    // Somebody else's change to what is being looked at: the place, the focus and what can be undone stay.
    if (before?.state === shownNow.state && before.version !== version) {
      shownNow.dispatch(replaced(shownNow.state, text));
      return held(before.service);
    }
    const language = new Compartment();
    const fresh = before?.version !== version;
    const service = fresh ? new Compartment() : before.service;
    const state = fresh ? newState(text, [endings(text), language.of([]), service.of([]), changes(() => edit.current), EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' })]) : before.state;
    shownNow.setState(state);
    if (fresh) void languageFor(path).then((support) => { if (view.current === shownNow && support) shownNow.dispatch({ effects: language.reconfigure(support) }); }).catch(() => undefined);
    shownNow.focus();
    return held(service);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `text` belongs to `version`: the editor has newer text of its own
  }, [path, version, label, services]);
  const { place: wanted } = tab;
  useEffect(() => {
    const shownNow = view.current;
    if (!shownNow || text === null || wanted === null) return;
    lookAt(shownNow, wanted);
    tabs.placed(path);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once the text is there: `version` says when
  }, [path, version, wanted, tabs]);
  return <div ref={place} className={styles['editor']} />;
}

/** Puts the language server of a text into its editor, unless it is there. What there is to write comes first. Returns how to leave that off. */
function attached(view: EditorView, service: Compartment, load: () => Promise<Extension | null>): () => void {
  if (!isBare(service.get(view.state))) return () => undefined;
  let isHere = true;
  const attach = async () => {
    const extension = await load();
    if (isHere && extension) view.dispatch({ effects: service.reconfigure(extension) });
  };
  const timer = setTimeout(() => void attach().catch(() => undefined), SERVICE_AFTER_MS);
  return () => {
    isHere = false;
    clearTimeout(timer);
  };
}

/** A place that the text does not have is the nearest that it has: whoever named it may know an older text. */
function lookAt(view: EditorView, { line, character }: Place): void {
  const { doc } = view.state;
  const at = doc.line(Math.min(doc.lines, Math.max(0, line) + 1));
  const anchor = Math.min(at.to, at.from + Math.max(0, character));
  view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: 'center' }) });
  view.focus();
}

function newState(doc: string, more: Extension): EditorState {
  return EditorState.create({ doc, extensions: [basics, more] });
}
