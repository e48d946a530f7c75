import { recordBytesOf, type Inode } from './inode.ts';
import { tableBytes } from './region-tables.ts';

/** What it takes that a region is not free any more. */
const freeBytes = 32;

/** Inodes some of whose regions are not on record: whatever goes on record next takes all of them with it. */
export class Placed {
  readonly #bytes = new Map<number, number>();
  #total = 0;

  /** What their records take, about. */
  get bytes(): number {
    return this.#total;
  }

  get numbers(): readonly number[] {
    return [...this.#bytes.keys()];
  }

  has(number: number): boolean {
    return this.#bytes.has(number);
  }

  /** `taken`: how many of its regions were on record as free. */
  add(inode: Inode, taken: number): void {
    const bytes = recordBytesOf(inode) + inode.changedTables.length * tableBytes;
    this.#total += taken * freeBytes + bytes - (this.#bytes.get(inode.number) ?? 0);
    this.#bytes.set(inode.number, bytes);
  }

  clear(): void {
    this.#bytes.clear();
    this.#total = 0;
  }
}
