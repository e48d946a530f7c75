import { decodeHead, decodeInode, encodeInode, hasTables, type Inode, type InodeHead } from './inode.ts';

/** Records up to this have a place: that of a file of 8 MiB, or of a link to a path of 80 bytes. */
const placeBytes = 192;
/** A number has its place in one row. */
const rowPlaces = 8;
const firstRows = 64;

/** Places of records: what each has is a number, that it is of, and its bytes. */
class Places {
  readonly rows: number;
  /** One more than the number of the inode; 0: the place is free. */
  readonly owners: Float64Array;
  /** When each was used last. */
  readonly uses: Float64Array;
  readonly lengths: Uint8Array;
  readonly bytes: Buffer;

  constructor(rows: number) {
    const count = rows * rowPlaces;
    this.rows = rows;
    this.owners = new Float64Array(count);
    this.uses = new Float64Array(count);
    this.lengths = new Uint8Array(count);
    this.bytes = Buffer.alloc(count * placeBytes);
  }

  /** Where a number's is, or -1. */
  find(number: number): number {
    const row = (number % this.rows) * rowPlaces;
    for (let at = row; at < row + rowPlaces; at += 1) if (this.owners[at] === number + 1) return at;
    return -1;
  }

  /** A place for a number that has none: one that is free, or the one of its row that was used longest ago. */
  placeFor(number: number): number {
    const row = (number % this.rows) * rowPlaces;
    let oldest = row;
    for (let at = row; at < row + rowPlaces; at += 1) {
      if (this.owners[at] === 0) return at;
      if (this.uses[at]! < this.uses[oldest]!) oldest = at;
    }
    return oldest;
  }

  put(at: number, number: number, record: Uint8Array, use: number): void {
    this.owners[at] = number + 1;
    this.uses[at] = use;
    this.lengths[at] = record.length;
    this.bytes.set(record, at * placeBytes);
  }

  recordAt(at: number): Buffer {
    return this.bytes.subarray(at * placeBytes, at * placeBytes + this.lengths[at]!);
  }
}

/**
 * Inodes of which many are in memory, as the bytes of their records in a table: none of them is an object, so that the collector has nothing to go through and nothing to
 * collect, and each takes some 200 bytes. The table grows with what is put into it; beyond `most` what was used longest ago makes room.
 */
export class PackedInodes {
  readonly #mostRows: number;
  #places: Places;
  #use = 0;

  constructor(most: number) {
    this.#mostRows = Math.max(1, Math.floor(most / rowPlaces));
    this.#places = new Places(Math.min(firstRows, this.#mostRows));
  }

  get(number: number): Inode | undefined {
    const at = this.#places.find(number);
    if (at < 0) return undefined;
    this.#use += 1;
    this.#places.uses[at] = this.#use;
    return decodeInode(number, this.#places.recordAt(at));
  }

  /** The same of its head alone, which counts for no use. */
  peek(number: number): InodeHead | undefined {
    const at = this.#places.find(number);
    return at < 0 ? undefined : decodeHead(number, this.#places.recordAt(at));
  }

  has(number: number): boolean {
    return this.#places.find(number) >= 0;
  }

  /** Gives false where it is too large to be here, or has regions that its own record does not say. */
  put(inode: Inode): boolean {
    const record = encodeInode(inode);
    if (record.length > placeBytes || hasTables(record)) return false;
    const { number } = inode;
    let at = this.#places.find(number);
    if (at < 0) at = this.#placeFor(number);
    this.#use += 1;
    this.#places.put(at, number, record, this.#use);
    return true;
  }

  delete(number: number): void {
    const at = this.#places.find(number);
    if (at >= 0) this.#places.owners[at] = 0;
  }

  #placeFor(number: number): number {
    const at = this.#places.placeFor(number);
    const { owners, rows } = this.#places;
    if (owners[at] === 0 || rows >= this.#mostRows) return at;
    this.#grow();
    return this.#placeFor(number);
  }

  #grow(): void {
    const before = this.#places;
    const places = new Places(Math.min(before.rows * 2, this.#mostRows));
    for (let at = 0; at < before.owners.length; at += 1) {
      const number = before.owners[at]! - 1;
      if (number >= 0) places.put(places.placeFor(number), number, before.recordAt(at), before.uses[at]!);
    }
    this.#places = places;
  }
}
