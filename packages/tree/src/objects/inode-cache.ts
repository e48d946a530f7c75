import { LRUCache } from 'lru-cache';
import type { Inode, InodeHead } from './inode.ts';
import { PackedInodes } from './packed-inodes.ts';

/** Objects of inodes that are looked at now: so few that they are gone before the collector takes them for lasting. */
const mostObjects = 512;

/** Of those that are too large to be packed, one counts as so many as it takes memory. */
const inodeBytes = 512;
const aclEntryBytes = 64;

const weightOf = ({ acls, regions, text }: Inode): number => {
  const entries = acls === undefined ? 0 : acls.access.length + acls.inherited.length;
  return 1 + Math.floor((regions.length * 8 + text.length + entries * aclEntryBytes) / inodeBytes);
};

/** Inodes as they are on record, those that were used last: the very last as objects, those with lists or many regions too, and all others as bytes. */
export class InodeCache {
  readonly #objects: LRUCache<number, Inode>;
  readonly #packed: PackedInodes;
  readonly #large: LRUCache<number, Inode>;

  /** `most`: that are packed; so much as a quarter of them would take is for large ones. */
  constructor(most: number) {
    this.#packed = new PackedInodes(most);
    this.#large = new LRUCache({ maxSize: Math.max(1, Math.floor(most / 4)), sizeCalculation: weightOf });
    this.#objects = new LRUCache({
      max: Math.max(1, Math.min(mostObjects, most)),
      dispose: (inode, number, reason) => {
        if (reason === 'evict' && !this.#packed.has(number) && !this.#packed.put(inode)) this.#large.set(number, inode);
      },
    });
  }

  get(number: number): Inode | undefined {
    const there = this.#objects.get(number);
    if (there !== undefined) return there;
    const found = this.#packed.get(number) ?? this.#large.get(number);
    if (found !== undefined) this.#objects.set(number, found);
    return found;
  }

  /** What is said of one by the head of its record: it is not used by that. */
  peek(number: number): InodeHead | undefined {
    return this.#objects.peek(number) ?? this.#packed.peek(number) ?? this.#large.peek(number);
  }

  set(number: number, inode: Inode): void {
    this.delete(number);
    this.#objects.set(number, inode);
  }

  delete(number: number): void {
    this.#objects.delete(number);
    this.#packed.delete(number);
    this.#large.delete(number);
  }
}
