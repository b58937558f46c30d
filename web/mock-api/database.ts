import type { components } from '../src/api/generated';

type Schema = components['schemas'];

export const USER = { id: 'usr_1', name: 'administrator', password: 'a long enough password' } as const;
export const CSRF = 'csrf-of-the-mock';

const LANGUAGES: Schema['LanguageView'][] = [
  { id: 'python', name: 'Python', main: 'main.py', extensions: ['py'], modes: ['query', 'batch', 'command'], version: '3.11.2', available: true, greeting: 'print("Hello from Python")', limits: {} },
  { id: 'c', name: 'C', main: 'main.c', extensions: ['c'], modes: ['batch', 'command'], version: '12.2.0', available: true, greeting: 'int main(void) { return 0; }', limits: {} },
];

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
  readonly folderFiles = new Map<string, Set<string>>();
  readonly runs = new Map<string, MockRun>();
  /** By secret. */
  readonly shares = new Map<string, { run: string; share: Schema['RunShareView'] }>();
  /** By session. */
  readonly apps = new Map<string, Schema['AppView'][]>();
  private made = 0;

  nextId(prefix: string): string {
    this.made += 1;
    return `${prefix}_${String(this.made)}`;
  }

  sessionCreate(asked: Schema['SessionCreate']): Schema['SessionView'] {
    const id = this.nextId('ses');
    const session: Schema['SessionView'] = {
      id,
      name: asked.name ?? `session-${String(this.made)}`,
      owner: USER.id,
      project: 'prj_1',
      organization: 'org_1',
      state: 'running',
      kind: 'interactive',
      language: asked.language ?? null,
      image: 'host',
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
