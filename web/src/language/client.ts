import { LSPClient, LSPPlugin } from '@codemirror/lsp-client';
import type { Text } from '@codemirror/state';
import type { EditorView } from '@codemirror/view';
import { shown } from '../workspace/names';
import type { Message } from './connection';

/** What servers send is looked at here before anything is made of it: a program of the session says it. */
export const LABEL_CHARS_MAX = 400;
const TRIGGERS_MAX = 64;
const SIGNATURES_MAX = 20;

export const isRecord = (value: unknown): value is Message => typeof value === 'object' && value !== null && !Array.isArray(value);
export const listOf = (value: unknown, most: number): readonly unknown[] => (Array.isArray(value) ? value.slice(0, most) : []);
export const textOf = (value: unknown, most: number): string => (typeof value === 'string' ? value.slice(0, most) : '');
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** A text as names are shown, but that its lines may end. */
export const seen = (text: string): string => text.replace(/[^\t\n]+/g, (line) => shown(line));

/** A client of `@codemirror/lsp-client` whose failures are nobody's surprise. */
export class Client extends LSPClient {
  /** A notification that comes too late for a server that has ended is lost with it. */
  override notification<Params>(method: string, params: Params): void {
    this.initializing.then(() => { super.notification(method, params); }).catch(() => undefined);
  }

  override request<Params, Result>(method: string, params: Params): Promise<Result> {
    // One step after `initializing`, as notifications are: nothing may overtake what was typed before it.
    const answer = this.initializing.then(() => super.request<Params, Result>(method, params));
    // The library's own: it takes what comes as it is, and hears of no failure.
    if (method === 'textDocument/signatureHelp') return answer.then((said) => signaturesOf(said) as Result, () => null as Result);
    return answer;
  }
}

function signaturesOf(said: unknown): unknown {
  if (!isRecord(said)) return null;
  const signatures = listOf(said['signatures'], SIGNATURES_MAX).filter(isRecord).map((one) => {
    const parameters = listOf(one['parameters'], SIGNATURES_MAX).filter(isRecord).map(({ label }) => ({ label: parameterOf(label) }));
    const active = isWhole(one['activeParameter']) ? { activeParameter: one['activeParameter'] } : {};
    return { label: seen(textOf(one['label'], LABEL_CHARS_MAX)).replaceAll('\n', ' '), parameters, ...active };
  });
  if (signatures.length === 0) return null;
  const active = isWhole(said['activeSignature']) && said['activeSignature'] < signatures.length ? said['activeSignature'] : 0;
  return { signatures, activeSignature: active, activeParameter: isWhole(said['activeParameter']) ? said['activeParameter'] : 0 };
}

function parameterOf(label: unknown): string | [number, number] {
  if (typeof label === 'string') return seen(label.slice(0, LABEL_CHARS_MAX));
  const [from, to] = listOf(label, 2);
  return isWhole(from) && isWhole(to) ? [from, to] : '';
}

/** What a server can do, as far as anything is made of it; none where it is no answer. */
export function capabilitiesOf(result: unknown): Message | null {
  const said = isRecord(result) ? result['capabilities'] : null;
  if (!isRecord(said)) return null;
  const sync = said['textDocumentSync'];
  const change = isRecord(sync) ? sync['change'] : sync;
  return {
    textDocumentSync: change === 1 || change === 2 ? change : 0,
    ...providers(said, ['hoverProvider', 'definitionProvider', 'documentFormattingProvider']),
    ...triggered(said, 'completionProvider'),
    ...triggered(said, 'signatureHelpProvider'),
  };
}

const providers = (said: Message, names: readonly string[]) => Object.fromEntries(names.map((name) => [name, Boolean(said[name])]));

function triggered(said: Message, name: string): Message {
  const provider = said[name];
  if (!isRecord(provider)) return { [name]: false };
  const characters = (from: unknown) => listOf(from, TRIGGERS_MAX).filter((one) => typeof one === 'string' && one.length <= 2);
  return { [name]: { triggerCharacters: characters(provider['triggerCharacters']), retriggerCharacters: characters(provider['retriggerCharacters']), resolveProvider: provider['resolveProvider'] === true } };
}

/** Where a server's position is in a text; none where it is no position. One that the text does not have is the nearest that it has. */
function offsetOf(doc: Text, position: unknown): number | null {
  if (!isRecord(position) || !isWhole(position['line']) || !isWhole(position['character'])) return null;
  if (position['line'] >= doc.lines) return doc.length;
  const line = doc.line(position['line'] + 1);
  return Math.min(line.to, line.from + position['character']);
}

/** The same of both ends. */
export function rangeOf(doc: Text, range: unknown): { from: number; to: number } | null {
  if (!isRecord(range)) return null;
  const [from, to] = [offsetOf(doc, range['start']), offsetOf(doc, range['end'])];
  return from === null || to === null ? null : { from: Math.min(from, to), to: Math.max(from, to) };
}

/** The server's view of the text that an editor shows, and the question it is asked about a place in it. None before it is ready. */
export function asked(view: EditorView, at: number) {
  const plugin = LSPPlugin.get(view);
  if (!plugin?.client.serverCapabilities) return null;
  plugin.client.sync();
  return { plugin, params: { textDocument: { uri: plugin.uri }, position: plugin.toPosition(at) } };
}
