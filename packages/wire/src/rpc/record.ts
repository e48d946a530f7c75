import { AshlarError, assert } from '@ashlar/core';

/** Record marking (RFC 5531, section 11): a word before each fragment, with its length and whether it is the last one of its record. */
export const fragmentHeadBytes = 4;

const lastFragment = 0x8000_0000;
const mostFragments = 4096;

export type FragmentHead = { readonly length: number; readonly isLast: boolean };

export function fragmentHeadAt(bytes: Buffer, at: number): FragmentHead {
  const word = bytes.readUInt32BE(at);
  return { length: word & ~lastFragment, isLast: (word & lastFragment) !== 0 };
}

/** The head of a record that is one fragment. */
export function writeRecordHead(bytes: Buffer, at: number, length: number): void {
  assert(length > 0 && length < lastFragment, 'a record fits one fragment');
  bytes.writeUInt32BE((lastFragment | length) >>> 0, at);
}

/** Where bytes that come next belong. */
export type Place = { readonly bytes: Buffer; readonly at: number; readonly length: number };

/**
 * Puts records together from fragments, however they are cut: it says where the next bytes belong, and is told how many came. Memory is taken for what is announced,
 * within the bound of a record, in steps: who announces much has to send it.
 */
export class RecordAssembler {
  readonly #mostBytes: number;
  readonly #head = Buffer.alloc(fragmentHeadBytes);
  #headBytes = 0;
  #fragments = 0;
  /** Of the fragment whose head came. */
  #left = 0;
  #isLast = false;
  #record: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Whether nothing of a record came yet. */
  get isEmpty(): boolean {
    return this.#headBytes === 0 && this.#fragments === 0;
  }

  /** Where the next bytes go: at most so many, which end no later than the record does. */
  next(): Place {
    if (this.#headBytes < fragmentHeadBytes) {
      return { bytes: this.#head, at: this.#headBytes, length: fragmentHeadBytes - this.#headBytes };
    }
    return { bytes: this.#record, at: this.#length, length: Math.min(this.#left, this.#record.length - this.#length) };
  }

  /**
   * So many bytes came to where `next` said. Gives the record where it is whole: it is the caller's. Throws `invalid` for records beyond the bound, and for
   * ones that are cut into nothing.
   */
  came(count: number): Buffer | undefined {
    assert(count > 0 && count <= this.next().length, 'what came is what there was a place for');
    if (this.#headBytes < fragmentHeadBytes) {
      this.#headBytes += count;
      if (this.#headBytes < fragmentHeadBytes) return undefined;
      this.#begin(fragmentHeadAt(this.#head, 0));
    } else {
      this.#length += count;
      this.#left -= count;
      if (this.#left > 0) this.#grow();
    }
    return this.#left > 0 ? undefined : this.#ended();
  }

  #begin({ isLast, length }: FragmentHead): void {
    this.#fragments += 1;
    if (this.#length + length > this.#mostBytes) {
      throw new AshlarError('invalid', `a record has more than the ${this.#mostBytes} bytes that one may have`);
    }
    if (this.#fragments > mostFragments) throw new AshlarError('invalid', 'a record is cut into too many fragments');
    this.#left = length;
    this.#isLast = isLast;
    if (length > 0) this.#grow();
  }

  #grow(): void {
    if (this.#length < this.#record.length) return;
    const needed = this.#length + this.#left;
    const size = Math.min(needed, Math.max(firstBytes, this.#length * growth));
    const larger = Buffer.allocUnsafe(size);
    larger.set(this.#record.subarray(0, this.#length));
    this.#record = larger;
  }

  #ended(): Buffer | undefined {
    this.#headBytes = 0;
    if (!this.#isLast) return undefined;
    const record = this.#record.subarray(0, this.#length);
    this.#record = Buffer.alloc(0);
    this.#length = 0;
    this.#fragments = 0;
    return record;
  }
}

/** The first piece of memory for a record, and how much larger the next one is. */
const firstBytes = 64 * 1024;
const growth = 4;
