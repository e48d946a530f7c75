import { AshlarError } from '@ashlar/core';

/** Reads a message that is whole in memory. What goes beyond its end is `invalid`: a peer's mistake, not ours. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Bytes not yet read. */
  get rest(): number {
    return this.#bytes.length - this.#at;
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** 64 bits; above 2^53 the number is not exact, and larger than anything that is accepted. */
  u64(): number {
    const at = this.#take(8);
    return this.#bytes.readUInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4);
  }

  /** A view, valid as long as the message's bytes are. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  utf8(length: number): string {
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  #take(length: number): number {
    if (length > this.rest) throw new AshlarError('invalid', 'a message ends before its fields do');
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
