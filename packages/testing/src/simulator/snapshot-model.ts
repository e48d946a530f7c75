export const blockBytes = 4096;

const zeros = new Uint8Array(blockBytes);

/** One of the values that a block may have is the one that a part of it was read as. */
const begins = (value: Uint8Array, inBlock: number, part: Uint8Array): boolean =>
  Buffer.compare(value.subarray(inBlock, inBlock + part.length), part) === 0;

/**
 * What a snapshot has: for each block, and for the size, what may have been there between its request and its answer. What is read of it once is
 * what it has ever after.
 */
export class SnapshotModel {
  #sizes: readonly number[];
  readonly #blocks: Map<number, Uint8Array[]>;

  constructor(sizes: readonly number[], blocks: Map<number, Uint8Array[]>) {
    this.#sizes = sizes;
    this.#blocks = blocks;
  }

  /** Blocks that ever had something. */
  blocks(): Iterable<number> {
    return this.#blocks.keys();
  }

  /** Its size is known for certain. */
  get sizeBytes(): number {
    const [only] = this.#sizes;
    if (only === undefined || this.#sizes.length > 1) throw new Error('nobody knows the size of this snapshot');
    return only;
  }

  /** What a block has, of a snapshot of which all was read: zeros behind its end. */
  block(block: number): Uint8Array {
    const inside = Math.max(0, Math.min(blockBytes, this.sizeBytes - block * blockBytes));
    const bytes = new Uint8Array(blockBytes);
    const [first = zeros] = this.#blocks.get(block) ?? [];
    bytes.set(first.subarray(0, inside));
    return bytes;
  }

  /** What is known for certain of a block. */
  certain(block: number): Uint8Array | undefined {
    const values = this.#blocks.get(block) ?? [zeros];
    return values.length === 1 ? values[0] : undefined;
  }

  mayHaveSize(sizes: readonly number[]): void {
    this.#sizes = [...this.#sizes, ...sizes];
  }

  mayHave(block: number, values: readonly Uint8Array[]): void {
    if (values.length > 0) this.#blocks.set(block, [...(this.#blocks.get(block) ?? [zeros]), ...values]);
  }

  /** What is wrong with its size. */
  sawSize(sizeBytes: number): string | undefined {
    if (!this.#sizes.includes(sizeBytes)) return `it is ${sizeBytes} bytes large, and was ${this.#sizes.join(' or ')}`;
    this.#sizes = [sizeBytes];
    return undefined;
  }

  /** What is wrong with a read of it. */
  saw(offset: number, bytes: Uint8Array): string | undefined {
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < offset + bytes.length; block += 1) {
      const start = Math.max(offset, block * blockBytes);
      const end = Math.min(offset + bytes.length, (block + 1) * blockBytes);
      const part = bytes.subarray(start - offset, end - offset);
      const values = this.#blocks.get(block) ?? [zeros];
      const left = values.filter((value) => begins(value, start - block * blockBytes, part));
      if (left.length === 0) {
        const shown = (value: Uint8Array): string => Buffer.from(value.subarray(0, 8)).toString('hex');
        return `block ${block} read as ${shown(part)}…, and was ${values.map(shown).join('… or ')}…`;
      }
      this.#blocks.set(block, left);
    }
    return undefined;
  }
}
