/** How the Language Server Protocol cuts bytes into messages. Whoever sends them is a program of the session, and hostile. */

const HEADER_BYTES_MAX = 4_096;
const MESSAGE_BYTES_MAX = 8 << 20;
const END = [13, 10, 13, 10];

export class FramingError extends Error {
  override name = 'FramingError';
}

/** Takes bytes in pieces of any size and gives whole messages. What it has once refused it takes no more of. */
export class MessageReader {
  private pieces: Uint8Array[] = [];
  private held = 0;
  /** Of the body that is being read; none while it is a header. */
  private length: number | null = null;
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });

  push(piece: Uint8Array): string[] {
    if (piece.length > 0) this.pieces.push(piece);
    this.held += piece.length;
    const messages: string[] = [];
    for (;;) {
      if (this.length === null && !this.readHeader()) return messages;
      if (this.length === null || this.held < this.length) return messages;
      messages.push(this.decode(this.take(this.length)));
      this.length = null;
    }
  }

  private readHeader(): boolean {
    const head = this.peek(HEADER_BYTES_MAX);
    const end = head.findIndex((_, at) => END.every((byte, offset) => head[at + offset] === byte));
    if (end < 0) {
      if (head.length >= HEADER_BYTES_MAX) throw new FramingError('a header without an end');
      return false;
    }
    const fields = String.fromCharCode(...head.subarray(0, end)).split('\r\n');
    const lengths = fields.flatMap((field) => /^content-length: *(\d{1,9})$/i.exec(field)?.[1] ?? []);
    const length = Number(lengths[0]);
    if (lengths.length !== 1) throw new FramingError('a header without one length');
    if (length > MESSAGE_BYTES_MAX) throw new FramingError('a message that is too long');
    this.take(end + END.length);
    this.length = length;
    return true;
  }

  private decode(bytes: Uint8Array): string {
    try {
      return this.decoder.decode(bytes);
    } catch {
      throw new FramingError('a message that is no text');
    }
  }

  /** The first bytes, `most` of them at most, which stay. */
  private peek(most: number): Uint8Array {
    const first = this.pieces[0];
    if (this.pieces.length <= 1 || (first && first.length >= most)) return (first ?? new Uint8Array()).subarray(0, most);
    const whole = new Uint8Array(this.held);
    let at = 0;
    for (const piece of this.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.pieces = [whole];
    return whole.subarray(0, most);
  }

  private take(count: number): Uint8Array {
    const taken = new Uint8Array(count);
    let [at, used] = [0, 0];
    for (const piece of this.pieces) {
      const part = piece.subarray(0, count - at);
      taken.set(part, at);
      at += part.length;
      if (part.length < piece.length) {
        this.pieces[used] = piece.subarray(part.length);
        break;
      }
      used += 1;
    }
    this.pieces.splice(0, used);
    this.held -= count;
    return taken;
  }
}

/** A message as it is sent. */
export function framed(message: string): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(message);
  const head = new TextEncoder().encode(`Content-Length: ${String(body.length)}\r\n\r\n`);
  const whole = new Uint8Array(head.length + body.length);
  whole.set(head);
  whole.set(body, head.length);
  return whole;
}
