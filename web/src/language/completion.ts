import { autocompletion, insertCompletionText, type Completion, type CompletionContext, type CompletionResult, type CompletionSource } from '@codemirror/autocomplete';
import { LSPPlugin } from '@codemirror/lsp-client';
import type { Text } from '@codemirror/state';
import type { EditorView } from '@codemirror/view';
import { asked, isRecord, LABEL_CHARS_MAX, listOf, rangeOf, seen, textOf } from './client';
import type { Message } from './connection';
import { drawn, saidIn } from './drawn';

const ITEMS_MAX = 1_000;
const INSERT_CHARS_MAX = 10_000;
const EDITS_MAX = 20;
const WORD = /[\p{L}\p{N}_]/u;
/** What the protocol's numbers for kinds of things are drawn as. */
const KINDS: Readonly<Record<number, string>> = { 1: 'text', 2: 'method', 3: 'function', 4: 'class', 5: 'property', 6: 'variable', 7: 'class', 8: 'interface', 9: 'namespace', 10: 'property', 11: 'keyword', 12: 'constant', 13: 'enum', 14: 'keyword', 16: 'constant', 20: 'constant', 21: 'constant', 22: 'class', 25: 'type' };

/** What the server offers; before it is ready, what the language's own grammar does. */
const source: CompletionSource = async (context) => {
  const { view } = context;
  const plugin = view && LSPPlugin.get(view);
  if (!view || !plugin?.client.serverCapabilities) return ofGrammar(context);
  const provider: unknown = plugin.client.serverCapabilities.completionProvider;
  if (!isRecord(provider)) return ofGrammar(context);
  const before = context.state.sliceDoc(Math.max(0, context.pos - 1), context.pos);
  const isTriggered = listOf(provider['triggerCharacters'], ITEMS_MAX).includes(before);
  if (!context.explicit && !isTriggered && !WORD.test(before)) return null;
  const question = asked(view, context.pos);
  if (!question) return null;
  const why = isTriggered && !context.explicit ? { triggerKind: 2, triggerCharacter: before } : { triggerKind: 1 };
  const said = await plugin.client.request('textDocument/completion', { ...question.params, context: why }).catch(() => null);
  return context.aborted ? null : offered(said, context, view);
};

async function ofGrammar(context: CompletionContext): Promise<CompletionResult | null> {
  for (const one of context.state.languageDataAt<CompletionSource>('autocomplete', context.pos)) {
    const found = typeof one === 'function' ? await one(context) : null;
    if (found) return found;
  }
  return null;
}

function offered(said: unknown, context: CompletionContext, view: EditorView): CompletionResult | null {
  const items = listOf(isRecord(said) ? said['items'] : said, ITEMS_MAX).filter(isRecord);
  if (items.length === 0) return null;
  const from = fromOf(items[0], context);
  const result = { from, options: items.map((item) => optionOf(item, context.state.doc, view)) };
  return isRecord(said) && said['isIncomplete'] === true ? result : { ...result, validFor: /^[\p{L}\p{N}_]*$/u };
}

/** Where the word begins that is completed: as the server says, if that is on this line and before the cursor. */
function fromOf(item: Message | undefined, { state, pos }: CompletionContext): number {
  const edit = item?.['textEdit'];
  const range = isRecord(edit) ? rangeOf(state.doc, edit['range'] ?? edit['insert']) : null;
  const line = state.doc.lineAt(pos);
  if (range && range.from >= line.from && range.from <= pos) return range.from;
  return line.from + line.text.slice(0, pos - line.from).search(/[\p{L}\p{N}_]*$/u);
}

function optionOf(item: Message, doc: Text, view: EditorView): Completion {
  const shownAs = seen(textOf(item['label'], LABEL_CHARS_MAX)).trim();
  const edit = item['textEdit'];
  const text = textOf(isRecord(edit) ? edit['newText'] : item['insertText'], INSERT_CHARS_MAX) || textOf(item['label'], INSERT_CHARS_MAX);
  const detail = seen(textOf(item['detail'], LABEL_CHARS_MAX));
  const sort = textOf(item['sortText'], LABEL_CHARS_MAX);
  return {
    label: textOf(item['filterText'], LABEL_CHARS_MAX) || shownAs,
    displayLabel: shownAs,
    type: KINDS[Number(item['kind'])] ?? 'text',
    apply: applied(text, listOf(item['additionalTextEdits'], EDITS_MAX), doc),
    info: () => info(item, view),
    ...(detail === '' ? {} : { detail }),
    ...(sort === '' ? {} : { sortText: sort }),
  };
}

/** Puts the text in, and what it needs elsewhere, an `#include` for instance: only above, where nothing was typed meanwhile. */
function applied(text: string, edits: readonly unknown[], doc: Text) {
  return (view: EditorView, _: Completion, from: number, to: number) => {
    const line = view.state.doc.lineAt(from);
    const changes = edits.filter(isRecord).flatMap((edit) => {
      const range = rangeOf(doc, edit['range']);
      return range && range.to < line.from && view.state.doc.slice(0, line.from).eq(doc.slice(0, line.from)) ? [{ ...range, insert: textOf(edit['newText'], INSERT_CHARS_MAX) }] : [];
    });
    view.dispatch(insertCompletionText(view.state, text, from, to), { changes });
  };
}

async function info(item: Message, view: EditorView) {
  const plugin = LSPPlugin.get(view);
  const provider: unknown = plugin?.client.serverCapabilities?.completionProvider;
  let documentation = item['documentation'];
  if (documentation === undefined && plugin && isRecord(provider) && provider['resolveProvider'] === true) {
    const resolved = await plugin.client.request('completionItem/resolve', item).catch(() => null);
    documentation = isRecord(resolved) ? resolved['documentation'] : undefined;
  }
  const words = saidIn(typeof documentation === 'string' ? { kind: 'plaintext', value: documentation } : documentation);
  return words.text === '' ? null : drawn(words);
}

export const completing = autocompletion({ override: [source] });
