import { AshlarError } from '@ashlar/core';
import { FrameDecoder, headBytes, parseHeader, type StreamHeader } from './frame.ts';

export type StreamFrame =
  | { readonly type: 'header'; readonly header: StreamHeader }
  | { readonly type: 'data'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly type: 'zero'; readonly offset: number; readonly length: number };

/** Bytes as they come, taken in pieces of wanted lengths. */
class Pieces {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #parts: Uint8Array[] = [];
  #available = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Memory of its own. Throws `closed` where the source ends before. */
  async take(length: number): Promise<Uint8Array> {
    while (this.#available < length) {
      const next = await this.#source.next();
      if (next.done === true) throw new AshlarError('closed', 'the stream ends in its middle');
      this.#parts.push(next.value);
      this.#available += next.value.length;
    }
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const [part] = this.#parts;
      if (part === undefined) break;
      const count = Math.min(part.length, length - at);
      bytes.set(part.subarray(0, count), at);
      at += count;
      if (count === part.length) this.#parts.shift();
      else this.#parts[0] = part.subarray(count);
    }
    this.#available -= length;
    return bytes;
  }
}

/** The frames of a stream, checked, the header first; it ends behind the end frame. Throws `closed` where that does not come. */
export async function* readFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<StreamFrame> {
  const decoder = new FrameDecoder();
  const pieces = new Pieces(source);
  for (;;) {
    const head = decoder.head(await pieces.take(headBytes));
    const { type, offset, length } = head;
    if (type === 'end') return;
    if (type === 'zero') {
      yield { type, offset, length };
      continue;
    }
    const bytes = await pieces.take(length);
    decoder.payload(head, bytes);
    yield type === 'header' ? { type, header: parseHeader(bytes) } : { type, offset, bytes };
  }
}
