/** Builds one message of a known, small shape. Numbers are big endian, as on every wire that Ashlar speaks. */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(sizeBytes = 256) {
    this.#bytes = Buffer.alloc(sizeBytes);
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#length = this.#bytes.writeUInt8(value, this.#length);
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    this.#length = this.#bytes.writeUInt16BE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
    return this;
  }

  /** 64 bits of a number that is exact. */
  u64(value: number): this {
    return this.u32(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32);
  }

  bytes(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  utf8(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'));
  }

  /** What was written; the writer is not used afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#length + count));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
