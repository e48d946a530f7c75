import {
  AshlarError,
  type Compression,
  type ObjectId,
  type RecordChange,
  type RecordStore,
  type SnapshotId,
  type StoreId,
} from '@ashlar/core';
import { pack, unpack } from 'msgpackr';
import { checksumOf } from '../checksum.ts';
import type { PageRef } from '../format/page-ref.ts';
import type { JournalPosition } from '../journal.ts';
import type { JournalSpan } from '../journal-history.ts';

/** The pool's own record: where recovery begins and what must never be given out twice. */
export type PoolRecord = {
  readonly birth: number;
  readonly position: JournalPosition;
  /** Before the position: what recoveries since the last checkpoint took over, and what is not home yet. */
  readonly earlier?: readonly JournalSpan[];
  readonly nextObject: number;
  readonly nextStore: number;
  readonly lossGeneration: number;
  readonly promisedLossGeneration: number;
  readonly clean: boolean;
  readonly bootId: string;
  readonly checksumRoot: PageRef | undefined;
  readonly checksumLevels: number;
};

/** `generation`: what comes behind the last snapshot belongs to it. */
export type StoreRecord = {
  readonly sequence: number;
  readonly generation: number;
  /** What it was cloned from, and the birth up to which what it has is that one's; -1 where it was not. */
  readonly origin?: { readonly store: StoreId; readonly snapshot: SnapshotId };
  readonly floor: number;
  readonly compression?: Compression;
};

/** Generations count from 1. */
export const newStoreRecord: StoreRecord = { sequence: 0, generation: 1, floor: -1 };

export type SnapshotRecord = { readonly sequence: number; readonly birth: number; readonly isDropped: boolean };

/** As `DeadTree`. */
export type DeadRecord = {
  readonly store: StoreId;
  readonly object: ObjectId;
  readonly root: PageRef;
  readonly levels: number;
  readonly floor: number;
  readonly snapshot: SnapshotId;
  readonly birth: number;
  readonly cursor: number;
};

export type ObjectRecord = {
  readonly sizeBytes: number;
  readonly root: PageRef | undefined;
  readonly levels: number;
  /** Blocks that data and kept room take by the map. */
  readonly blocks: number;
  /** How many blocks less that is than what they hold, by compression. */
  readonly saved?: number;
  /** In which it was changed last, and in which it was made. */
  readonly generation: number;
  readonly created: number;
  /** It was made with all of its room: zeros that are written to it keep theirs. */
  readonly keepsRoom?: boolean;
};

/** One key space: a letter, then numbers as 8 bytes big endian, so that a scan gives them in order. */
function key(letter: string, ...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(1 + numbers.length * 8);
  bytes.write(letter, 0, 'latin1');
  for (const [index, number] of numbers.entries()) bytes.writeBigUInt64BE(BigInt(number), 1 + index * 8);
  return bytes;
}

export const poolKey = key('m');
/** The last scrub. */
export const scrubKey = key('c');
/** The number of the last commit: what the log of records goes by. */
export const commitKey = key('l');
export const storeKey = (store: StoreId): Buffer => key('s', store);
export const objectKey = (store: StoreId, object: ObjectId): Buffer => key('o', store, object);
/** An object as a snapshot has it, and older ones down to the next such record: kept when it changes behind them. */
export const keptKey = (store: StoreId, object: ObjectId, snapshot: SnapshotId): Buffer =>
  key('h', store, object, snapshot);
/** The kept states of an object, in the order of their snapshots. */
export const keptRange = (store: StoreId, object: ObjectId): { from: Buffer; to: Buffer } =>
  keyRange('h', store, object);
export const snapshotKey = (store: StoreId, snapshot: SnapshotId): Buffer => key('n', store, snapshot);
/** Maps that nobody has any more and whose slots come back bit by bit. Their numbers are given out with those of objects. */
export const deadKey = (id: number): Buffer => key('d', id);
export const bitmapKey = (kind: 'slots' | 'pages', index: number): Buffer => key(kind === 'slots' ? 'b' : 'p', index);

const recordPrefix = key('r', 0);
/** Of the key of a store's record, in front of the store's own. */
export const recordKeyBytes = recordPrefix.length;

export function recordKey(store: StoreId, name: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(recordPrefix.length + name.length);
  bytes.set(recordPrefix);
  bytes.writeUIntBE(store, 3, 6);
  bytes.set(name, recordPrefix.length);
  return bytes;
}

/** The number at a place behind the letter. */
export function keyNumber(from: Uint8Array, index: number): number {
  return Number(Buffer.from(from.buffer, from.byteOffset, from.length).readBigUInt64BE(1 + index * 8));
}

/** [from, to) of all keys that begin with a letter and numbers. */
export function keyRange(letter: string, ...numbers: readonly number[]): { from: Buffer; to: Buffer } {
  const from = key(letter, ...numbers);
  const to = Buffer.concat([from, Buffer.alloc(1600, 0xff)]);
  return { from, to };
}

/** What a checksum is made of, from its beginning on. */
let summed = Buffer.alloc(4096);

function checksumOfBoth(name: Uint8Array, value: Uint8Array): number {
  const length = name.length + value.length;
  if (length > summed.length) summed = Buffer.alloc(length * 2);
  summed.set(name);
  summed.set(value, name.length);
  return checksumOf(summed, length);
}

/** Rule 12: each value carries a checksum over key and value, because LMDB's pages have none. */
export function sealed(name: Uint8Array, value: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(4 + value.length);
  bytes.writeUInt32LE(checksumOfBoth(name, value), 0);
  bytes.set(value, 4);
  return bytes;
}

export function opened(name: Uint8Array, bytes: Uint8Array): Uint8Array {
  const view = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = view.subarray(4);
  if (view.length < 4 || view.readUInt32LE(0) !== checksumOfBoth(name, value)) {
    throw new AshlarError('corrupt', "a record of the pool's database is damaged; run: ashlar check");
  }
  return value;
}

function sealedPack(name: Uint8Array, value: unknown): Uint8Array {
  return sealed(name, pack(value));
}

/** The value of a record that this program packed, or nothing. */
export function getPacked<T>(records: RecordStore, name: Uint8Array): T | undefined {
  const bytes = records.get(name);
  return bytes === undefined ? undefined : (unpack(opened(name, bytes) as Buffer) as T);
}

export function unpackSealed<T>(name: Uint8Array, bytes: Uint8Array): T {
  return unpack(opened(name, bytes) as Buffer) as T;
}

/** A change that sets a record to a packed value. */
export function packedChange(key: Uint8Array, value: unknown): RecordChange {
  return { key, value: sealedPack(key, value) };
}
