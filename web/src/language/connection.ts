import { FramingError, framed, MessageReader } from './framing';

/** A piece of what is sent; the server takes no longer ones. */
const PIECE_BYTES_MAX = 256 << 10;
/** What a server may say in so long a time. One that says more would have the page do nothing else. */
const SPELL_MS = 10_000;
const SPELL_BYTES_MAX = 64 << 20;
const SPELL_MESSAGES_MAX = 20_000;

/** What is made of a message: any of it may be anything. */
export type Message = Readonly<Record<string, unknown>>;

export type Heard = {
  readonly opened: () => void;
  readonly message: (message: Message, text: string) => void;
  /** Once, and nothing after it. `why` is the server's own word, or empty. */
  readonly closed: (end: End) => void;
};

export type End = { /** Why, by whoever ended it. */ readonly why: string; /** The program is not in the sandbox. */ readonly isMissing: boolean };

/** What a shell says where there is no such program. */
const NOT_FOUND = 127;

export type Connection = { readonly send: (message: string) => void; readonly close: () => void };

/** The standard streams of a session's language server. */
export function connect(session: string, language: string, heard: Heard): Connection {
  const url = new URL(`/api/v1/sessions/${encodeURIComponent(session)}/language-services/${encodeURIComponent(language)}`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  const reader = new MessageReader();
  const spell = new Spell();
  let told: unknown = null;
  let isOver = false;
  const over = (why: string) => {
    if (isOver) return;
    isOver = true;
    socket.close();
    heard.closed(ended(told, why));
  };
  socket.onopen = () => { heard.opened(); };
  socket.onclose = ({ reason }) => { over(reason); };
  socket.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (isOver) return;
    if (typeof data === 'string') told = parsed(data);
    if (!(data instanceof ArrayBuffer)) return;
    try {
      for (const text of reader.push(new Uint8Array(data))) {
        const message = parsed(text);
        spell.count(text.length);
        if (isMessage(message)) heard.message(message, text);
      }
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      over(error.message);
    }
  };
  return {
    send: (message) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      const bytes = framed(message);
      for (let at = 0; at < bytes.length; at += PIECE_BYTES_MAX) socket.send(bytes.subarray(at, at + PIECE_BYTES_MAX));
    },
    close: () => {
      isOver = true;
      socket.close();
    },
  };
}

class Spell {
  private since = 0;
  private bytes = 0;
  private messages = 0;

  count(bytes: number): void {
    const now = performance.now();
    if (now - this.since > SPELL_MS) [this.since, this.bytes, this.messages] = [now, 0, 0];
    this.bytes += bytes;
    this.messages += 1;
    if (this.bytes > SPELL_BYTES_MAX || this.messages > SPELL_MESSAGES_MAX) throw new FramingError('more than anybody could read');
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const isMessage = (value: unknown): value is Message => typeof value === 'object' && value !== null && !Array.isArray(value);

const REASON_CHARS_MAX = 300;

/** What the last text frame says of the program's end. */
function ended(told: unknown, why: string): End {
  if (!isMessage(told)) return { why, isMissing: false };
  const { exit_code: code, signal, stderr } = told;
  const last = typeof stderr === 'string' ? stderr.trim().split('\n').at(-1)?.slice(0, REASON_CHARS_MAX) : '';
  const how = typeof signal === 'number' ? `signal ${String(signal)}` : typeof code === 'number' ? `exit code ${String(code)}` : why;
  return { why: last ? `${how}: ${last}` : how, isMissing: code === NOT_FOUND };
}
