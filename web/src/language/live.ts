import { signatureHelp } from '@codemirror/lsp-client';
import type { Extension } from '@codemirror/state';
import { body, client as api } from '../api/client';
import type { Place } from '../workspace/tabs';
import type { Note, ServiceState } from '../workspace/language-services';
import { capabilitiesOf, Client, isRecord, listOf } from './client';
import { completing } from './completion';
import { connect, type Connection, type End, type Message } from './connection';
import { defining } from './definition';
import { explaining } from './hover';
import { ROOT_URI, uriOf } from './paths';
import { forget, problems, publish } from './problems';

/** How long is waited before it is tried again; as often, and not more. */
const PAUSES_MS = [1_000, 4_000, 15_000];
/** One that has served for so long has not failed at the beginning. */
const STEADY_MS = 60_000;
/** A request that takes longer is nobody's any more. */
const ANSWER_MS = 20_000;
/** One that says nothing of itself by then never will. */
const READY_MS = 40_000;
const SETTINGS_MAX = 64;
/** No program is started in a session any more that is in one of these. */
const OVER: ReadonlySet<string> = new Set(['draining', 'ended', 'refused']);
/** What programs are told of themselves, by their names: of two servers and a package manager for types, which has no network, one is enough. */
const OPTIONS: Readonly<Record<string, unknown>> = {
  'typescript-language-server': { disableAutomaticTypingAcquisition: true, tsserver: { useSyntaxServer: 'never' } },
};

export type Rim = {
  readonly state: (state: ServiceState) => void;
  readonly problems: (path: string, count: number) => void;
  readonly open: (path: string, place: Place) => void;
  readonly note: (note: Note) => void;
};

/** A language server that is held, started again where it ends, and given up where it ends again and again. */
export class Live {
  private readonly client: Client;
  private connection: Connection | null = null;
  private handler: ((message: string) => void) | null = null;
  private failures = 0;
  /** Counts endings: what waits for an answer from before one is over. */
  private turn = 0;
  private readySince: number | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly session: string;
  private readonly language: string;
  private readonly rim: Rim;

  constructor(session: string, { language, name }: { language: string; name: string }, rim: Rim) {
    [this.session, this.language, this.rim] = [session, language, rim];
    this.client = new Client({
      initializationOptions: OPTIONS[name],
      rootUri: ROOT_URI,
      timeout: ANSWER_MS,
      // Nothing of it is shown that the library would make of Markdown: what is, `Markdown` draws.
      sanitizeHTML: () => '',
      extensions: [
        { clientCapabilities: { general: { markdown: null }, textDocument: { completion: { completionItem: { snippetSupport: false, resolveSupport: { properties: ['documentation'] } } }, publishDiagnostics: { versionSupport: true } } } },
        completing, explaining, problems, signatureHelp(), defining(rim),
      ],
    });
  }

  extensionFor(path: string, languageId: string): Extension {
    return this.client.plugin(uriOf(path), languageId);
  }

  /** Where its session stands: one that has ended has no language servers. */
  start(): void {
    this.rim.state({ kind: 'starting' });
    this.timer = setTimeout(() => { this.connection?.close(); this.fail({ why: '', isMissing: false }); }, READY_MS);
    const { turn } = this;
    void body(api.GET('/api/v1/sessions/{id}', { params: { path: { id: this.session } } }))
      .then(({ state }) => !OVER.has(state), () => null)
      .then((stands) => { if (turn === this.turn) this.startWhere(stands); });
  }

  private startWhere(stands: boolean | null): void {
    if (stands === null) this.fail({ why: '', isMissing: false });
    else if (!stands) {
      this.stop();
      this.rim.state({ kind: 'stopped', why: '' });
    } else {
      this.connection = connect(this.session, this.language, {
        opened: () => { this.open(); },
        message: (message, text) => { this.hear(message, text); },
        closed: (end) => { this.fail(end); },
      });
    }
  }

  restart(): void {
    this.stop();
    this.failures = 0;
    this.start();
  }

  leave(): void {
    this.stop();
  }

  private stop(): void {
    this.turn += 1;
    clearTimeout(this.timer);
    this.connection?.close();
    this.connection = null;
    if (this.client.connected) this.client.disconnect();
    this.readySince = null;
    this.handler = null;
  }

  private open(): void {
    this.client.connect({
      send: (message) => { this.connection?.send(message); },
      subscribe: (handler) => { this.handler = handler; },
      unsubscribe: () => { this.handler = null; },
    });
    this.client.initializing.then(() => {
      clearTimeout(this.timer);
      this.readySince = performance.now();
      this.rim.state({ kind: 'ready' });
    }).catch(() => undefined);
  }

  private fail({ why, isMissing }: End): void {
    if (this.readySince !== null && performance.now() - this.readySince > STEADY_MS) this.failures = 0;
    this.stop();
    forget(this.client);
    if (isMissing) {
      this.rim.state({ kind: 'missing', why });
      return;
    }
    const pause = PAUSES_MS[this.failures];
    this.failures += 1;
    this.rim.state(pause === undefined ? { kind: 'stopped', why } : { kind: 'waiting' });
    if (pause !== undefined) this.timer = setTimeout(() => { this.start(); }, pause);
  }

  /** Answers to what was asked, problems, and questions that every server asks; nothing else is heard. */
  private hear(message: Message, text: string): void {
    const { method, id } = message;
    if (method === 'textDocument/publishDiagnostics' && id === undefined) publish(this.client, message['params'], this.rim.problems);
    else if (typeof method === 'string') {
      if (typeof id === 'number' || typeof id === 'string') this.connection?.send(JSON.stringify({ jsonrpc: '2.0', id, ...answer(method, message['params']) }));
    } else if (this.readySince !== null) this.handler?.(text);
    else this.begin(message);
  }

  /** The first answer says what it can do. */
  private begin(message: Message): void {
    const capabilities = capabilitiesOf(message['result']);
    if (capabilities) {
      this.handler?.(JSON.stringify({ jsonrpc: '2.0', id: message['id'], result: { capabilities } }));
      return;
    }
    this.connection?.close();
    const error = message['error'];
    this.fail({ why: isRecord(error) && typeof error['message'] === 'string' ? error['message'].slice(0, 300) : '', isMissing: false });
  }
}

/** What is said to a server that asks. Edits that it wants made by itself are not. */
function answer(method: string, params: unknown): Message {
  switch (method) {
    case 'workspace/configuration':
      return { result: listOf(isRecord(params) ? params['items'] : [], SETTINGS_MAX).map(() => null) };
    case 'client/registerCapability':
    case 'client/unregisterCapability':
    case 'window/workDoneProgress/create':
    case 'window/showMessageRequest':
    case 'workspace/workspaceFolders':
      return { result: null };
    default:
      return { error: { code: -32_601, message: 'not here' } };
  }
}
