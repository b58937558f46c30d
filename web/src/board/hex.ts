/** The program memory of an ATmega328P. */
export const FLASH_BYTES = 0x8000;
/** As large as such a file is where each record holds a single byte. */
const HEX_CHARS_MAX = 1024 * 1024;

const DATA = 0;
const END = 1;
/** Where the next records lie beyond 64 KiB; a small chip has it as zero. */
const SEGMENT = 2;
const LINEAR = 4;
/** Where a program begins; these chips begin at 0. */
const STARTS: readonly number[] = [3, 5];

/** What an Intel HEX file puts into the program memory. Throws where it is not exactly such a file: it was written by a guest. */
export function flashOf(hex: string): Uint8Array {
  if (hex.length > HEX_CHARS_MAX) throw new Error('the file is too large');
  const flash = new Uint8Array(FLASH_BYTES).fill(0xff);
  let ended = false;
  for (const [at, line] of hex.split(/\r?\n/).entries()) {
    if (line === '') continue;
    const fail = (why: string) => new Error(`line ${String(at + 1)}: ${why}`);
    if (ended) throw fail('there is more after the end');
    const record = bytesOf(line);
    if (!record) throw fail('this is no record');
    const [count = 0, high = 0, low = 0, kind = -1] = record;
    if (record.length !== count + 5) throw fail('the length is wrong');
    if (record.reduce((sum, byte) => sum + byte, 0) % 256 !== 0) throw fail('the checksum is wrong');
    const data = record.subarray(4, -1);
    const address = high * 256 + low;
    if (kind === DATA && address + count > FLASH_BYTES) throw fail('it is beyond the memory of the board');
    if (kind === DATA) flash.set(data, address);
    else if (kind === END && count === 0) ended = true;
    else if ((kind === SEGMENT || kind === LINEAR) && data.some((byte) => byte !== 0)) throw fail('it is beyond the memory of the board');
    else if (kind !== SEGMENT && kind !== LINEAR && !STARTS.includes(kind)) throw fail('this kind of record is not known');
  }
  if (!ended) throw new Error('the file is cut off');
  return flash;
}

function bytesOf(line: string): Uint8Array | null {
  if (!/^:(?:[0-9a-f]{2}){5,260}$/i.test(line)) return null;
  return Uint8Array.from({ length: (line.length - 1) / 2 }, (_, at) => Number.parseInt(line.slice(1 + at * 2, 3 + at * 2), 16));
}
