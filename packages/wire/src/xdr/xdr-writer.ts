import { assert } from '@ashlar/core';

const half = 2 ** 32;
const most64 = 2n ** 64n;

const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** Writes XDR (RFC 4506) into memory that grows, and is used again for message after message. */
export class XdrWriter {
  #bytes: Buffer;
  #view: DataView;
  #length = 0;

  constructor(sizeBytes = 512) {
    this.#bytes = Buffer.alloc(sizeBytes);
    this.#view = viewOf(this.#bytes);
  }

  /** Begins another message; what was given before is overwritten by it. */
  reset(): this {
    this.#length = 0;
    return this;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  u32(value: number): this {
    assert(value >>> 0 === value, 'a word is written of a number of 32 bits');
    this.#reserve(4);
    this.#view.setUint32(this.#length, value);
    this.#length += 4;
    return this;
  }

  i32(value: number): this {
    this.#reserve(4);
    this.#length = this.#bytes.writeInt32BE(value, this.#length);
    return this;
  }

  /** An unsigned hyper, of a number that is exact. */
  u64(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, 'a hyper is written of a number that is exact');
    return this.u32(Math.floor(value / half)).u32(value % half);
  }

  bigU64(value: bigint): this {
    assert(value >= 0n && value < most64, 'a hyper is written of a number of 64 bits');
    this.#reserve(8);
    this.#view.setBigUint64(this.#length, value);
    this.#length += 8;
    return this;
  }

  bool(value: boolean): this {
    return this.u32(value ? 1 : 0);
  }

  /** Opaque data of a length that both know. */
  fixed(value: Uint8Array): this {
    const padding = -value.length & 3;
    this.#reserve(value.length + padding);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    if (padding > 0) this.#bytes.fill(0, this.#length, this.#length + padding);
    this.#length += padding;
    return this;
  }

  /** Opaque data behind the number of its bytes. */
  opaque(value: Uint8Array): this {
    return this.u32(value.length).fixed(value);
  }

  text(value: string): this {
    return this.opaque(Buffer.from(value, 'utf8'));
  }

  /** Writes over a word that was written before. */
  patch(at: number, value: number): void {
    assert(at + 4 <= this.#length, 'what is written over was written');
    this.#bytes.writeUInt32BE(value, at);
  }

  /** Takes back what was written from there on. */
  truncate(length: number): void {
    assert(length <= this.#length, 'what is taken back was written');
    this.#length = length;
  }

  /** What was written: a view, until the next message or the next item. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}
