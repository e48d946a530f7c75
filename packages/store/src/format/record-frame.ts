import { assert, type RecordChange } from '@ashlar/core';
import { checksumOf } from '../checksum.ts';
import { decodeBatch, encodeBatch } from './journal-frame.ts';

/**
 * What one append to the log of records writes. Little endian:
 *
 *   0 magic u32 · 4 checksum of [8, end) u32 · 8 first 8 bytes of the pool's id · 16 number of the commit f64
 *   24 kind u32 · 28 length of the changes u32 · 32 changes, as a batch of the journal
 */
const magic = 0x4c525341;
export const recordFrameHead = 32;

const idAt = 8;

const kinds = { commit: 1, dump: 2, end: 3, closed: 4 } as const;

/**
 * `commit`: the changes of one commit. `dump`: some of what the database has behind the commit of that number. `end`: the file has
 * all of it. `closed`: the pool was closed behind that commit.
 */
export type RecordFrame = {
  readonly kind: keyof typeof kinds;
  readonly number: number;
  readonly changes: readonly RecordChange[];
};

const idIn = (poolId: string): Buffer => Buffer.from(poolId.slice(0, 16), 'hex');

/** `poolId`: 32 hexadecimal digits. */
export function encodeRecordFrame(poolId: string, { kind, number, changes }: RecordFrame): Buffer {
  const batch = encodeBatch(changes);
  const bytes = Buffer.alloc(recordFrameHead + batch.length);
  bytes.writeUInt32LE(magic, 0);
  bytes.set(idIn(poolId), idAt);
  bytes.writeDoubleLE(number, 16);
  bytes.writeUInt32LE(kinds[kind], 24);
  bytes.writeUInt32LE(batch.length, 28);
  bytes.set(batch, recordFrameHead);
  bytes.writeUInt32LE(checksumOf(bytes.subarray(8)), 4);
  return bytes;
}

/** Bytes of the frame that begins so; nothing where none of this pool does. `head`: `recordFrameHead` bytes. */
export function recordFrameBytes(poolId: string, head: Buffer): number | undefined {
  assert(head.length === recordFrameHead, 'the head of a frame is read whole');
  if (head.readUInt32LE(0) !== magic || !idIn(poolId).equals(head.subarray(idAt, idAt + 8))) return undefined;
  return recordFrameHead + head.readUInt32LE(28);
}

/** What a frame is, in all of its bytes; nothing where they are not as they were written. */
export function verifiedFrame(bytes: Buffer): Omit<RecordFrame, 'changes'> | undefined {
  assert(bytes.length >= recordFrameHead, 'a frame has its head');
  if (bytes.readUInt32LE(4) !== checksumOf(bytes.subarray(8))) return undefined;
  const word = bytes.readUInt32LE(24);
  const kind = (Object.keys(kinds) as RecordFrame['kind'][]).find((each) => kinds[each] === word);
  return kind === undefined ? undefined : { kind, number: bytes.readDoubleLE(16) };
}

/** The changes of a frame that was verified, in memory of their own. */
export const changesIn = (bytes: Buffer): RecordChange[] => decodeBatch(bytes.subarray(recordFrameHead));

/** The key of the last of them, without the others; nothing where there is none. */
export function lastKeyIn(bytes: Buffer): Uint8Array | undefined {
  let key: Buffer | undefined;
  let at = recordFrameHead + 4;
  for (let left = bytes.readUInt32LE(recordFrameHead); left > 0; left -= 1) {
    const end = at + 8 + bytes.readUInt32LE(at);
    if (left === 1) key = bytes.subarray(at + 8, end);
    at = end + Math.max(0, bytes.readInt32LE(at + 4));
  }
  return key === undefined ? undefined : Uint8Array.from(key);
}

/** Where frames of the pool may begin, in bytes of which nothing is known. */
export function* recordFramesIn(poolId: string, bytes: Buffer): Generator<number> {
  const id = idIn(poolId);
  for (let at = bytes.indexOf(id); at >= 0; at = bytes.indexOf(id, at + 1)) if (at >= idAt) yield at - idAt;
}
