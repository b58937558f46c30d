import type { Schema } from '../api/client';

export function bytesOf(blob: Schema['Blob']): Uint8Array<ArrayBuffer> {
  if (typeof blob === 'string') return new TextEncoder().encode(blob);
  return Uint8Array.from(atob(blob.base64), (letter) => letter.charCodeAt(0));
}

/** The same of bytes, of which those that are no text are shown as such. */
export const textOf = (blob: Schema['Blob']): string => (typeof blob === 'string' ? blob : new TextDecoder().decode(bytesOf(blob)));
