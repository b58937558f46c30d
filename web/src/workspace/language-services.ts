import type { Schema } from '../api/client';
import type { Live } from '../language/live';
import { extensionOf } from './names';
import type { Tabs } from './tabs';

type LanguageView = Schema['LanguageView'];

/** What there is to be said of a language server. `why` is its own word, or the machine's. */
export type ServiceState =
  | { readonly kind: 'idle' | 'starting' | 'ready' | 'waiting' }
  /** It is not installed where the session runs, or nobody knows one. */
  | { readonly kind: 'missing' | 'unknown'; readonly why: string }
  /** It ended again and again. */
  | { readonly kind: 'stopped'; readonly why: string };

/** What was asked for and is not to be shown in the editor. */
export type Note = { readonly kind: 'outside'; readonly file: string } | { readonly kind: 'nowhere' };

export type ServiceSnapshot = { readonly name: string; readonly state: ServiceState; readonly problems: ReadonlyMap<string, number>; readonly note: Note | null };

/** Endings of names that no recipe claims, and whose server knows what to do with them. */
const BESIDE: Readonly<Record<string, string>> = { h: 'cpp', hh: 'cpp', hpp: 'cpp', hxx: 'cpp', tsx: 'typescript', jsx: 'javascript' };
/** Where the protocol has a name of its own for what such files are in. */
const CALLED: Readonly<Record<string, string>> = { tsx: 'typescriptreact', jsx: 'javascriptreact', sh: 'shellscript' };
/** The image of sessions that were made from none. */
const HOST = 'host';
/** A note is read in so long a time. */
const NOTE_MS = 10_000;

/** One language server of the session, from when a file of its is looked at. */
export class LanguageService {
  private shown: ServiceSnapshot;
  private readonly listeners = new Set<() => void>();
  private live: Promise<Live> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly session: string;
  private readonly language: string;
  private readonly tabs: Tabs;

  constructor({ session, tabs }: { session: string; tabs: Tabs }, language: string, name: string, state: ServiceState) {
    [this.session, this.language, this.tabs] = [session, language, tabs];
    this.shown = { name, state, problems: new Map(), note: null };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): ServiceSnapshot => this.shown;

  /** What the editor is to have for a file; starts the server, if it has not been. None where there is no server. */
  async extensionFor(path: string) {
    const { kind } = this.shown.state;
    if (kind === 'missing' || kind === 'unknown') return null;
    this.live ??= this.begin();
    const extension = extensionOf(path);
    return (await this.live).extensionFor(path, CALLED[extension] ?? BESIDE[extension] ?? this.language);
  }

  private async begin(): Promise<Live> {
    const { Live } = await import('../language/live');
    const live = new Live(this.session, { language: this.language, name: this.shown.name }, {
      state: (state) => { this.tell({ state }); },
      problems: (path, count) => { this.tell({ problems: new Map(this.shown.problems).set(path, count) }); },
      open: (path, place) => { this.tabs.openAt(path, place); },
      note: (note) => { this.say(note); },
    });
    live.start();
    return live;
  }

  private say(note: Note): void {
    clearTimeout(this.timer);
    this.tell({ note });
    this.timer = setTimeout(() => { this.tell({ note: null }); }, NOTE_MS);
  }

  /** Tries once more what was given up. */
  restart(): void {
    void this.live?.then((live) => { live.restart(); });
  }

  leave(): void {
    clearTimeout(this.timer);
    void this.live?.then((live) => { live.leave(); });
  }

  private tell(news: Partial<ServiceSnapshot>): void {
    this.shown = { ...this.shown, ...news };
    for (const listener of this.listeners) listener();
  }
}

/** The language servers of a session. Languages that are served by the same program share it. */
export class LanguageServices {
  private readonly services = new Map<string, LanguageService>();
  private readonly where: { readonly session: string; readonly image: string; readonly tabs: Tabs };
  private readonly languages: readonly LanguageView[];

  constructor(where: { session: string; image: string; tabs: Tabs }, languages: readonly LanguageView[]) {
    [this.where, this.languages] = [where, languages];
  }

  /** Whose file it is, by its name; none for one that is in no language. */
  of(path: string): LanguageService | null {
    const extension = extensionOf(path);
    const language = this.languages.find(({ id, extensions }) => extensions.includes(extension) || BESIDE[extension] === id);
    if (!language) return null;
    const name = language.service?.name ?? language.name;
    const known = this.services.get(name);
    if (known) return known;
    const made = new LanguageService(this.where, language.id, name, this.begin(language));
    this.services.set(name, made);
    return made;
  }

  private begin({ service }: LanguageView): ServiceState {
    if (!service) return { kind: 'unknown', why: '' };
    return service.available || this.where.image !== HOST ? { kind: 'idle' } : { kind: 'missing', why: service.unavailable ?? '' };
  }

  leave(): void {
    for (const service of this.services.values()) service.leave();
  }
}
