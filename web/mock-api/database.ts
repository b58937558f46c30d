import type { components } from '../src/api/generated';

type Schema = components['schemas'];

export const USER = { id: 'usr_1', name: 'administrator', password: 'a long enough password' } as const;
export const CSRF = 'csrf-of-the-mock';

const LANGUAGES: Schema['LanguageView'][] = [
  { id: 'python', name: 'Python', main: 'main.py', extensions: ['py'], modes: ['query', 'batch', 'command'], version: '3.11.2', available: true, greeting: 'print("Hello from Python")', limits: {} },
  { id: 'c', name: 'C', main: 'main.c', extensions: ['c'], modes: ['batch', 'command'], version: '12.2.0', available: true, greeting: 'int main(void) { return 0; }', limits: {} },
];

const LONG_AGO = '2026-01-01T00:00:00.000Z';
export const HOME_PROJECT = 'prj_1';
const member = { organization: 'org_1', memberships: [], created_at: LONG_AGO };
/** Nobody but the administrator signs in here; the others are there to be shared with. */
const PEOPLE: Schema['UserView'][] = [{ ...member, id: USER.id, name: USER.name, role: 'system-administrator' }, { ...member, id: 'usr_2', name: 'kim', role: 'member', project: HOME_PROJECT }, { ...member, id: 'usr_3', name: 'lee', role: 'member', project: HOME_PROJECT }];

export type MockRun = { id: string; session: string; at: string; given: Schema['RunGiven']; events: Schema['StreamEvent'][] };

/** What the API in memory knows. Every test has its own. */
export class Database {
  signedIn = false;
  /** By what the browser has signed in: `password`, or a provider's name, whose user has no password here. */
  method = 'password';
  readonly languages = LANGUAGES;
  readonly sessions = new Map<string, Schema['SessionView']>();
  readonly files = new Map<string, Map<string, Uint8Array>>();
  readonly tokens = new Map<string, Schema['TokenView']>();
  readonly folders = new Map<string, Schema['FolderView']>();
  /** By folder and path from its top; a directory has no bytes. */
  readonly folderFiles = new Map<string, Map<string, Uint8Array | null>>();
  readonly folderShares = new Map<string, Schema['FolderShareView'][]>();
  readonly invitations = new Map<string, Schema['InvitationView']>();
  /** What may be reached by it. */
  readonly tickets = new Map<string, string>();
  readonly uploads = new Map<string, { folder: string; path: string; length: number; bytes: Uint8Array }>();
  readonly accessKeys = new Map<string, Schema['AccessKeyView']>();
  readonly sshKeys = new Map<string, Schema['SshKeyView']>();
  readonly images = new Map<string, Schema['ImageView'] & { committed: Schema['ImageCommitted'] }>();
  readonly prices = new Map<string, Schema['PriceView']>();
  readonly budgets = new Map<string, Schema['BudgetView']>();
  readonly reservations = new Map<string, Schema['ReservationView']>();
  readonly users: readonly Schema['UserView'][] = PEOPLE;
  readonly projects: readonly Schema['ProjectView'][] = [{ id: HOME_PROJECT, name: 'default', organization: 'org_1', created_at: LONG_AGO }];
  readonly runs = new Map<string, MockRun>();
  /** By secret. */
  readonly shares = new Map<string, { run: string; share: Schema['RunShareView'] }>();
  /** By session. */
  readonly apps = new Map<string, Schema['AppView'][]>();
  private made = 0;

  readonly nextId = (prefix: string): string => {
    this.made += 1;
    return `${prefix}_${String(this.made)}`;
  };

  /** What is in a folder. */
  folderUsed(id: string): { used_bytes: number; used_files: number } {
    const files = [...(this.folderFiles.get(id)?.values() ?? [])];
    return { used_bytes: files.reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0), used_files: files.length };
  }

  /** By id or name. */
  userNamed(text: string): Schema['UserView'] | undefined {
    return this.users.find(({ id, name }) => id === text || name === text);
  }

  projectNamed(text: string): Schema['ProjectView'] | undefined {
    return this.projects.find(({ id, name }) => id === text || name === text);
  }

  sessionCreate(asked: Schema['SessionCreate']): Schema['SessionView'] {
    const id = this.nextId('ses');
    const session: Schema['SessionView'] = {
      id,
      name: asked.name ?? `session-${String(this.made)}`,
      owner: USER.id,
      project: HOME_PROJECT,
      organization: 'org_1',
      state: 'running',
      kind: 'interactive',
      language: asked.language ?? null,
      image: asked.image == null ? 'host' : this.images.has(asked.image) ? `commit/${asked.image}` : asked.image,
      resources: {},
      env: {},
      tags: {},
      network: 'none',
      timeout_ms: 86_400_000,
      idle_timeout_ms: 3_600_000,
      created_at: new Date().toISOString(),
      resource_group: 'default',
      priority: 0,
      on_node_loss: 'end',
      allowed_actions: ['run', 'restart', 'interrupt', 'complete', 'files', 'suspend', 'end'],
    };
    this.sessions.set(id, session);
    this.files.set(id, new Map());
    return session;
  }

  /** Newest first, a page at a time; of filters it knows names and languages. */
  sessionPage(query: URLSearchParams): Schema['Page_SessionView'] {
    const [filter, after, limit] = [query.get('filter') ?? '', Number(query.get('cursor') ?? 0), Number(query.get('limit') ?? 100)];
    const name = /name:"([^"]*)"\*/.exec(filter)?.[1] ?? '';
    const language = /language:"([^"]*)"/.exec(filter)?.[1];
    const all = [...this.sessions.values()].filter((session) => session.name.startsWith(name) && (language ?? session.language) === session.language).toReversed();
    const end = after + limit;
    return { items: all.slice(after, end), next_cursor: end < all.length ? String(end) : null };
  }

  /** A run that says once what it was given: this API has no languages. */
  runCreate(session: string, request: Schema['RunRequest']): MockRun {
    const text = request.code ?? '';
    const at = new Date().toISOString();
    const usage = { wall_us: 1_000, cpu_user_us: 500, cpu_system_us: 100, memory_peak_bytes: 1_048_576, memory_kib_ms: 1, read_bytes: 0, written_bytes: 0 };
    const bodies: Schema['RunEventBody'][] = [{ kind: 'started' }, { kind: 'stdout', data: text }, { kind: 'finished', outcome: { verdict: 'ok', usage, exit_code: 0 } }];
    const given = { ...(request.code == null ? {} : { code: request.code }), ...(request.files ? { files: request.files } : {}) };
    const run = { id: this.nextId('run'), session, at, given, events: bodies.map((body, seq) => ({ ...body, seq, at })) };
    this.runs.set(run.id, run);
    return run;
  }
}
