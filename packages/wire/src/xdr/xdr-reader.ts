import { AshlarError } from '@ashlar/core';

const half = 2 ** 32;

/**
 * Reads XDR (RFC 4506): big endian, each item padded with zeros to four bytes. One is used again for message after message; what it gives of opaque data are
 * views, valid as long as the message's bytes are. What goes beyond the end, is longer than its bound, or is padded with something else is `invalid`: a peer's mistake,
 * found before any memory is taken for it.
 */
export class XdrReader {
  #bytes: Buffer;
  #at: number;
  #end: number;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = bufferOf(bytes);
    this.#at = 0;
    this.#end = bytes.length;
  }

  /** Goes on with the bytes [from, to) of another message. */
  reset(bytes: Buffer, from: number, to: number): void {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  /** Where in the message's bytes the next item is. */
  get at(): number {
    return this.#at;
  }

  /** Bytes not yet read. */
  get rest(): number {
    return this.#end - this.#at;
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  i32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  /** An unsigned hyper; above 2^53 the number is not exact, and larger than any size or offset that is accepted. */
  u64(): number {
    const at = this.#take(8);
    return this.#bytes.readUInt32BE(at) * half + this.#bytes.readUInt32BE(at + 4);
  }

  bigU64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8));
  }

  bool(): boolean {
    const value = this.u32();
    if (value > 1) throw new AshlarError('invalid', `${value} is neither true nor false`);
    return value === 1;
  }

  /** Opaque data of a length that both know. */
  fixed(length: number): Buffer {
    const at = this.#take(length);
    const bytes = this.#bytes.subarray(at, at + length);
    this.#padding(length);
    return bytes;
  }

  /** Opaque data of at most so many bytes, behind their number. */
  opaque(mostBytes: number): Buffer {
    const length = this.u32();
    if (length > mostBytes) {
      throw new AshlarError('invalid', `${length} bytes are sent where at most ${mostBytes} may be`);
    }
    return this.fixed(length);
  }

  /** A string of UTF-8. */
  text(mostBytes: number): string {
    return this.opaque(mostBytes).toString('utf8');
  }

  #padding(length: number): void {
    for (let left = -length & 3; left > 0; left -= 1) {
      if (this.#bytes[this.#take(1)] !== 0) throw new AshlarError('invalid', 'what pads an item is not zero');
    }
  }

  #take(length: number): number {
    if (length > this.#end - this.#at) throw new AshlarError('invalid', 'a message ends before its items do');
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
