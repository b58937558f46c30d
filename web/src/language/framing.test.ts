import { describe, expect, it } from 'vitest';
import { framed, FramingError, MessageReader } from './framing';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('messages of a language server', () => {
  it('come whole, however their bytes are cut', () => {
    const messages = ['{"id":1}', '', '{"text":"가나다 🙂"}', 'x'.repeat(70_000)];
    const all = messages.map(framed);
    const stream = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const one of all) {
      stream.set(one, at);
      at += one.length;
    }
    for (const size of [1, 2, 3, 7, 64, 4_096, stream.length]) {
      const reader = new MessageReader();
      const heard: string[] = [];
      for (let from = 0; from < stream.length; from += size) heard.push(...reader.push(stream.slice(from, from + size)));
      expect(heard, `in pieces of ${String(size)}`).toEqual(messages);
    }
  });

  it('may have other fields in their headers, and capitals or none', () => {
    const reader = new MessageReader();
    expect(reader.push(bytes('Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length: 2\r\n\r\n{}'))).toEqual(['{}']);
  });

  it.each([
    ['of a length that no message has', 'Content-Length: 99999999\r\n\r\n'],
    ['of a length below nothing', 'Content-Length: -1\r\n\r\n'],
    ['of a length that is no number', 'Content-Length: 0x10\r\n\r\n'],
    ['of a length beyond all', `Content-Length: ${'9'.repeat(30)}\r\n\r\n`],
    ['of two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['without a length', 'Content-Type: x\r\n\r\n{}'],
    ['whose header has no end', 'a'.repeat(5_000)],
    ['that is a log', `Traceback (most recent call last):\n${'x\n'.repeat(3_000)}`],
  ])('%s are refused', (_, text) => {
    expect(() => new MessageReader().push(bytes(text))).toThrow(FramingError);
  });

  it('that are no text are refused', () => {
    expect(() => new MessageReader().push(new Uint8Array([...bytes('Content-Length: 2\r\n\r\n'), 0xc3, 0x28]))).toThrow(FramingError);
  });

  it('that are announced and do not come cost nothing', () => {
    const reader = new MessageReader();
    expect(reader.push(bytes('Content-Length: 8000000\r\n\r\n'))).toEqual([]);
    expect(reader.push(bytes('{'))).toEqual([]);
  });
});
