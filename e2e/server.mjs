// A real `madang up` with a home of its own, for one test file. `MADANG` names the binary.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const STOP_MS = 60_000;
const START_MS = 120_000;
const LOOK_MS = 200;

export class Server {
  /** Starts one; `args` are added to `madang up`. */
  static async start(args = []) {
    const home = await mkdtemp(join(tmpdir(), 'madang-e2e-'));
    const child = spawn(process.env.MADANG, ['up', '--listen', '127.0.0.1:0', '--data', home, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const server = new Server(home, child);
    child.stderr.on('data', (bytes) => (server.log += bytes));
    for await (const line of createInterface({ input: child.stdout })) {
      const found = line.match(/^listening on (http:\S+)/);
      if (found) server.url = found[1];
      // The last line that it says of itself.
      const link = line.match(/password, once: (http:\S+)/);
      if (link) {
        server.link = link[1];
        server.token = (await readFile(join(home, 'admin.token'), 'utf8')).trim();
        return server;
      }
    }
    throw new Error(`madang up did not start: ${server.log}`);
  }

  constructor(home, child) {
    Object.assign(this, { home, child, log: '' });
  }

  /** A request of the administrator; the answer's JSON. Throws where the status is not a good one. */
  async api(method, path, body) {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${this.url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    const answered = text ? JSON.parse(text) : null;
    return method === 'POST' && path === '/sessions' ? this.started(answered) : answered;
  }

  /** The session once it has started, for which the server waits for some seconds only; one that waits for its place as it is. */
  async started(session) {
    const until = Date.now() + START_MS;
    let now = session;
    while (now.state === 'starting') {
      if (Date.now() > until) throw new Error(`the session ${session.id} does not start`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      now = await this.api('GET', `/sessions/${session.id}`);
    }
    return now;
  }

  /** Puts a file into the work directory of a session. */
  async write(session, path, text) {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/octet-stream' };
    const answer = await fetch(`${this.url}/api/v1/sessions/${session}/files/${path}`, { method: 'PUT', headers, body: text });
    if (!answer.ok) throw new Error(`PUT ${path}: ${answer.status} ${await answer.text()}`);
  }

  /** A file's text. */
  async text(path) {
    const answer = await fetch(`${this.url}/api/v1${path}`, { headers: { authorization: `Bearer ${this.token}` } });
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status}`);
    return answer.text();
  }

  /** The command line, as somebody on this machine; its standard output. */
  async madang(...words) {
    const child = spawn(process.env.MADANG, words, { env: { ...process.env, MADANG_HOME: this.home }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (bytes) => (out += bytes));
    child.stderr.on('data', (bytes) => (err += bytes));
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`madang ${words.join(' ')}: ${code} ${err}`);
    return out;
  }

  /** As a power cut: no time to say goodbye. Sessions go on. */
  async kill() {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }

  /** Starts it again after `kill`, where it was. */
  async restart() {
    const child = spawn(process.env.MADANG, ['up', '--listen', new URL(this.url).host, '--data', this.home], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    child.stderr.on('data', (bytes) => (this.log += bytes));
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('listening on ')) continue;
      child.stdout.resume();
      return;
    }
    throw new Error(`madang up did not start again: ${this.log}`);
  }

  /** Ends every session, then the server: sessions outlive their server, on purpose. */
  async stop() {
    const { items } = await this.api('GET', '/sessions?limit=200');
    await Promise.all(items.map(({ id }) => this.api('DELETE', `/sessions/${id}`).catch(() => {})));
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(late);
    // Something may still be written into it as it goes.
    await rm(this.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
