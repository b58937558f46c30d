/** Below the ports that kernels choose by themselves: what is above was asked for by nobody. */
const PORT_MAX = 32_767;
const PORTS_SHOWN_MAX = 32;
const LISTENS = '0A';
/** Where the proxy reaches a program: on the loopback, or wherever it listens on every address. */
const REACHED = new Set(['0100007F', '00000000', '0'.repeat(32), '00000000000000000000000001000000']);
const LINE = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F:]+ ([0-9A-F]{2}) /;

/** The ports that something listens on, by what the kernel's tables of sockets say. A guest may have written them: only numbers come of it. */
export function portsIn(tables: string): number[] {
  const ports = new Set<number>();
  for (const line of tables.split('\n')) {
    const [, address = '', port = '', state] = LINE.exec(line) ?? [];
    const number = Number.parseInt(port, 16);
    if (state === LISTENS && REACHED.has(address) && number > 0 && number <= PORT_MAX) ports.add(number);
  }
  return [...ports].sort((a, b) => a - b).slice(0, PORTS_SHOWN_MAX);
}
