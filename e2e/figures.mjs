// What a bench found, as `madang bench` tells it: JSON for machines, a table for people.
import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';

const round = (value) => Math.round(value * 1_000) / 1_000;

/** The smallest sample that `percent` of all do not exceed (nearest rank). */
export function percentile(samples, percent) {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(Math.ceil((percent / 100) * sorted.length), 1) - 1];
}

export class Figures {
  constructor(bench) {
    Object.assign(this, { bench, at: new Date().toISOString(), metrics: {}, rows: [], notes: [] });
  }

  metric(name, value) {
    this.metrics[name] = round(value);
  }

  note(note) {
    this.notes.push(note);
  }

  /** Durations of one kind: `PREFIX_p50_ms` and so on. */
  latencies(name, prefix, samples) {
    for (const percent of [50, 95]) this.metric(`${prefix}_p${percent}_ms`, percentile(samples, percent));
    this.rows.push([name, samples.length, ...[50, 95, 100].map((percent) => percentile(samples, percent).toFixed(1))]);
  }

  async text() {
    const row = ([name, ...cells]) => `  ${name.padEnd(34)}${cells.map((cell) => String(cell).padStart(10)).join('')}`;
    const others = Object.entries(this.metrics).filter(([name]) => !/_p\d+_ms$/.test(name));
    return [
      `${this.bench} · ${await machine()} · ${this.at}`,
      row(['', 'n', 'p50 ms', 'p95 ms', 'max ms']),
      ...this.rows.map(row),
      ...others.map(([name, value]) => row([name, value])),
      ...this.notes.map((note) => `  note: ${note}`),
    ].join('\n');
  }

  async json() {
    const { bench, at, metrics } = this;
    return `${JSON.stringify({ bench, machine: await machine(), at, metrics }, null, 2)}\n`;
  }
}

async function machine() {
  const load = (await readFile('/proc/loadavg', 'utf8')).split(' ')[0];
  return `${cpus().length} × ${cpus()[0]?.model}, ${Math.floor(totalmem() / 2 ** 30)} GiB, Linux ${release()}, load ${load}`;
}
