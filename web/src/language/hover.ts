import { StateEffect, StateField, type Extension } from '@codemirror/state';
import { EditorView, hoverTooltip, keymap, showTooltip, type Command, type Tooltip } from '@codemirror/view';
import { asked, isRecord, rangeOf } from './client';
import { drawn, saidIn } from './drawn';

const READ_OUT_CHARS_MAX = 400;

/** What the word there means, as the server says; none where it says nothing. */
async function explained(view: EditorView, at: number): Promise<{ tooltip: Tooltip; text: string } | null> {
  const question = asked(view, at);
  if (!question) return null;
  const said = await question.plugin.client.request('textDocument/hover', question.params).catch(() => null);
  if (!isRecord(said)) return null;
  const words = saidIn(said['contents']);
  if (words.text === '') return null;
  const { from, to } = rangeOf(view.state.doc, said['range']) ?? { from: at, to: at };
  return { tooltip: { pos: from, end: to, above: true, create: () => drawn(words) }, text: words.text };
}

const show = StateEffect.define<Tooltip | null>();

/** What was asked for by a key; it goes when the cursor does. */
const asking = StateField.define<Tooltip | null>({
  create: () => null,
  update: (now, transaction) => {
    for (const effect of transaction.effects) if (effect.is(show)) return effect.value;
    return transaction.docChanged || transaction.selection ? null : now;
  },
  provide: (field) => showTooltip.from(field),
});

export const explain: Command = (view) => {
  const { state } = view;
  void explained(view, state.selection.main.head).then((found) => {
    if (!found || view.state.doc !== state.doc || !view.state.selection.eq(state.selection)) return;
    view.dispatch({ effects: [show.of(found.tooltip), EditorView.announce.of(found.text.slice(0, READ_OUT_CHARS_MAX))] });
  });
  return true;
};

const hide: Command = (view) => {
  if (!view.state.field(asking)) return false;
  view.dispatch({ effects: show.of(null) });
  return true;
};

export const explaining: Extension = [
  asking,
  hoverTooltip(async (view, at) => (await explained(view, at))?.tooltip ?? null, { hideOn: (transaction) => transaction.docChanged }),
  keymap.of([{ key: 'Ctrl-k Ctrl-i', run: explain, preventDefault: true }, { key: 'Escape', run: hide }]),
];
