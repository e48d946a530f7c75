import { andThen, type FileTree, type Settled } from '@ashlar/core';
import { LRUCache } from 'lru-cache';
import type { CallKey } from './reply-cache.ts';

/** Of one client in one tree: as many calls as it may have made since one that is not answered yet. */
const slots = 256;
/** Clients whose answers are in memory, in all trees. */
const mostRings = 4096;
/** Answers that are older are of calls that nobody makes any more, whatever their numbers are. */
const mostAgeSeconds = 3600;
const headBytes = 20;

/** An answer that was kept: sequence u32, xid u32, procedure u32, checksum u32, seconds since 1970 u32, and the results from their status on. */
function encode(
  sequence: number,
  { checksum, procedure, xid }: CallKey,
  results: Uint8Array,
  nowSeconds: number,
): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + results.length);
  bytes.writeUInt32BE(sequence, 0);
  bytes.writeUInt32BE(xid, 4);
  bytes.writeUInt32BE(procedure, 8);
  bytes.writeUInt32BE(checksum, 12);
  bytes.writeUInt32BE(nowSeconds >>> 0, 16);
  bytes.set(results, headBytes);
  return bytes;
}

/** Answers of one client in one tree: those of an earlier process, and where the next one is kept. */
export class ReceiptRing {
  readonly #owner: Buffer;
  readonly #earlier = new Map<number, Buffer>();
  #sequence = 0;

  constructor(owner: Buffer, kept: readonly Uint8Array[]) {
    this.#owner = owner;
    for (const each of kept) {
      const bytes = Buffer.from(each);
      if (bytes.length < headBytes) continue;
      this.#earlier.set(bytes.readUInt32BE(4), bytes);
      this.#sequence = Math.max(this.#sequence, bytes.readUInt32BE(0) + 1);
    }
  }

  /** The results that an earlier process gave a call. */
  find({ checksum, procedure, xid }: CallKey, nowSeconds: number): Uint8Array | undefined {
    const bytes = this.#earlier.get(xid);
    if (bytes === undefined) return undefined;
    const isSame = bytes.readUInt32BE(8) === procedure && bytes.readUInt32BE(12) === checksum;
    return isSame && nowSeconds - bytes.readUInt32BE(16) <= mostAgeSeconds ? bytes.subarray(headBytes) : undefined;
  }

  /** The record of an answer that is given now. */
  receipt(key: CallKey, results: Uint8Array, nowSeconds: number) {
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) >>> 0;
    return { owner: this.#owner, slot: sequence % slots, value: encode(sequence, key, results, nowSeconds) };
  }
}

/** Answers of calls that must not be done twice, as trees keep them with what they tell: they outlive the process. */
export class Receipts {
  readonly #rings = new LRUCache<string, ReceiptRing>({ max: mostRings });

  ringOf(treeNumber: bigint, tree: FileTree, client: string): Settled<ReceiptRing> {
    const name = `${treeNumber} ${client}`;
    const there = this.#rings.get(name);
    if (there !== undefined) return there;
    const owner = Buffer.from(client);
    return andThen(tree.receipts(owner), (kept) => {
      // Another call of the client may have come first.
      const ring = this.#rings.get(name) ?? new ReceiptRing(owner, kept);
      this.#rings.set(name, ring);
      return ring;
    });
  }
}
