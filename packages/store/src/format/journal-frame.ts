import { assert, type Preallocation, type RecordChange } from '@ashlar/core';
import { blockSize, checksumOf } from '../checksum.ts';

/**
 * A frame is what one append writes: a header of whole blocks with all records that arrived together, then the blocks
 * that they carry. Little endian:
 *
 *   0 magic u32 · 4 checksum of [8, header length) u32 · 8 generation u32 · 12 stream u32 · 16 number f64
 *   24 previous frame's checksum u32 · 28 header length u32 · 32 data blocks u32 · 36 records u32
 *   40 durable number f64 (frames up to it are known durable) · 48 first 8 bytes of the pool's id
 *   56 where the records end u32 · 60 length of the copy u32 (0: there is none)
 *
 * then the records: kind u8, 3 reserved, length u32, store f64, sequence f64, and the kind's own fields; then the copy, by which
 * a header that is damaged is known from the frame behind it: the place of the frame before, as segment u32, reserved u32
 * and offset f64, and that one's header up to where its records end. The first frame of a generation has none.
 */
const magic = 0x314a5341;
const headerSize = 64;
const recordSize = 24;
const placeSize = 16;

/** Bounds of one frame: a segment holds at least one of the greatest. */
export const maxRecordsEnd = 64 * 1024;
export const maxHeaderBytes = 2 * maxRecordsEnd;
const maxDataBlocks = 256;
export const maxFrameBytes = maxHeaderBytes + maxDataBlocks * blockSize;

const kinds = {
  data: 1,
  slots: 2,
  clear: 3,
  create: 4,
  delete: 5,
  truncate: 6,
  batch: 7,
  snapshot: 8,
  dropSnapshot: 9,
} as const;
const preallocations: readonly Preallocation[] = ['off', 'falloc', 'full'];

export type FrameHead = {
  readonly poolId: string;
  readonly generation: number;
  readonly stream: number;
  readonly number: number;
  readonly previous: number;
  readonly durable: number;
};

type At = { readonly store: number; readonly sequence: number };

/** What one record says. Offsets and lengths are bytes, multiples of a block. */
export type JournalRecord = At &
  (
    | {
        readonly kind: 'data';
        readonly object: number;
        readonly offset: number;
        readonly checksums: Uint32Array;
        readonly firstBlock: number;
      }
    | {
        readonly kind: 'slots';
        readonly object: number;
        readonly chunk: number;
        readonly slot: number;
        readonly block: number;
        readonly checksums: Uint32Array;
      }
    | {
        readonly kind: 'clear';
        readonly object: number;
        readonly offset: number;
        readonly length: number;
        readonly keep: boolean;
      }
    | {
        readonly kind: 'create';
        readonly object: number;
        readonly sizeBytes: number;
        readonly preallocation: Preallocation;
      }
    | { readonly kind: 'delete'; readonly object: number }
    | { readonly kind: 'truncate'; readonly object: number; readonly sizeBytes: number }
    | { readonly kind: 'snapshot'; readonly snapshot: number }
    | { readonly kind: 'dropSnapshot'; readonly snapshot: number }
    | { readonly kind: 'batch'; readonly changes: readonly RecordChange[] }
  );

/** What a frame repeats of the one before it. One for a stream, filled anew by each frame. */
export class FrameCopy {
  readonly #bytes = Buffer.alloc(placeSize + maxRecordsEnd);
  #length = 0;

  /** 0 before the first frame. */
  get length(): number {
    return this.#length;
  }

  /** The frame of this whole header was appended there. */
  take(header: Buffer, segment: number, offset: number): void {
    const end = header.readUInt32LE(56);
    this.moved(segment, offset);
    header.copy(this.#bytes, placeSize, 0, end);
    this.#length = placeSize + end;
  }

  /** The frame was written anew there. */
  moved(segment: number, offset: number): void {
    this.#bytes.writeUInt32LE(segment, 0);
    this.#bytes.writeDoubleLE(offset, 8);
  }

  writeTo(header: Buffer, at: number): void {
    this.#bytes.copy(header, at, 0, this.#length);
  }
}

/** Builds one frame as operations arrive; reused for the next when it was written. */
export class FrameBuilder {
  readonly #header = Buffer.alloc(maxHeaderBytes);
  #at = headerSize;
  #records = 0;
  #blocks = 0;

  get isEmpty(): boolean {
    return this.#records === 0;
  }

  get dataBlocks(): number {
    return this.#blocks;
  }

  /** Bytes of the header as it stands, behind the frame that `before` is of: whole blocks. */
  headerBytes(before: FrameCopy): number {
    return Math.ceil((this.#at + before.length) / blockSize) * blockSize;
  }

  /** Bytes of the whole frame. */
  frameBytes(before: FrameCopy): number {
    return this.headerBytes(before) + this.#blocks * blockSize;
  }

  /** Whether a record with that many bytes of its own fields and data blocks still fits. */
  fits(fieldBytes: number, dataBlocks: number): boolean {
    return this.#at + recordSize + fieldBytes + 8 <= maxRecordsEnd && this.#blocks + dataBlocks <= maxDataBlocks;
  }

  /** A small write; its blocks follow the header in the order of their records. Fields: object, offset, blocks, checksums. */
  data(at: At, object: number, offset: number, checksums: Uint32Array): void {
    const from = this.#begin(kinds.data, at);
    this.#header.writeDoubleLE(object, from);
    this.#header.writeDoubleLE(offset, from + 8);
    this.#checksums(from + 16, checksums);
    this.#blocks += checksums.length;
    this.#end(24 + checksums.length * 4);
  }

  /** A large write's part in one chunk, whose bytes are in a slot already. */
  slots(at: At, object: number, chunk: number, slot: number, block: number, checksums: Uint32Array): void {
    const from = this.#begin(kinds.slots, at);
    this.#header.writeDoubleLE(object, from);
    this.#header.writeDoubleLE(chunk, from + 8);
    this.#header.writeDoubleLE(slot, from + 16);
    this.#header.writeDoubleLE(block, from + 24);
    this.#checksums(from + 32, checksums);
    this.#end(40 + checksums.length * 4);
  }

  clear(at: At, object: number, offset: number, length: number, keep: boolean): void {
    const from = this.#begin(kinds.clear, at);
    this.#header.writeDoubleLE(object, from);
    this.#header.writeDoubleLE(offset, from + 8);
    this.#header.writeDoubleLE(length, from + 16);
    this.#header.writeDoubleLE(keep ? 1 : 0, from + 24);
    this.#end(32);
  }

  create(at: At, object: number, sizeBytes: number, preallocation: Preallocation): void {
    const from = this.#begin(kinds.create, at);
    this.#header.writeDoubleLE(object, from);
    this.#header.writeDoubleLE(sizeBytes, from + 8);
    this.#header.writeDoubleLE(preallocations.indexOf(preallocation), from + 16);
    this.#end(24);
  }

  delete(at: At, object: number): void {
    this.#header.writeDoubleLE(object, this.#begin(kinds.delete, at));
    this.#end(8);
  }

  truncate(at: At, object: number, sizeBytes: number): void {
    const from = this.#begin(kinds.truncate, at);
    this.#header.writeDoubleLE(object, from);
    this.#header.writeDoubleLE(sizeBytes, from + 8);
    this.#end(16);
  }

  /** What came before belongs to the snapshot, what comes behind does not. */
  snapshot(at: At, snapshot: number): void {
    this.#header.writeDoubleLE(snapshot, this.#begin(kinds.snapshot, at));
    this.#end(8);
  }

  dropSnapshot(at: At, snapshot: number): void {
    this.#header.writeDoubleLE(snapshot, this.#begin(kinds.dropSnapshot, at));
    this.#end(8);
  }

  /** Bytes of a batch's fields: what `fits` is asked, and what travels as data blocks where it is too long. */
  batch(at: At, encoded: Uint8Array): void {
    const from = this.#begin(kinds.batch, at);
    this.#header.set(encoded, from);
    this.#end(encoded.length);
  }

  /**
   * Completes the header, with a copy of what the frame before it said. It fits the last block's padding as a rule: where it does
   * not the header takes another one, so that no header is known from itself only. Gives the bytes (valid until the builder is
   * used again) and their checksum.
   */
  seal(head: FrameHead, before: FrameCopy): { readonly header: Buffer; readonly checksum: number } {
    const length = this.headerBytes(before);
    assert(length <= maxHeaderBytes, 'records and those of the frame before fit a header');
    const header = this.#header;
    before.writeTo(header, this.#at);
    header.fill(0, this.#at + before.length, length);
    header.writeUInt32LE(magic, 0);
    header.writeUInt32LE(head.generation, 8);
    header.writeUInt32LE(head.stream, 12);
    header.writeDoubleLE(head.number, 16);
    header.writeUInt32LE(head.previous, 24);
    header.writeUInt32LE(length, 28);
    header.writeUInt32LE(this.#blocks, 32);
    header.writeUInt32LE(this.#records, 36);
    header.writeDoubleLE(head.durable, 40);
    header.write(head.poolId.slice(0, 16), 48, 'hex');
    header.writeUInt32LE(this.#at, 56);
    header.writeUInt32LE(before.length, 60);
    const checksum = checksumOf(header.subarray(8, length));
    header.writeUInt32LE(checksum, 4);
    return { header: header.subarray(0, length), checksum };
  }

  reset(): void {
    this.#at = headerSize;
    this.#records = 0;
    this.#blocks = 0;
  }

  #begin(kind: number, at: At): number {
    this.#header.writeUInt32LE(kind, this.#at);
    this.#header.writeDoubleLE(at.store, this.#at + 8);
    this.#header.writeDoubleLE(at.sequence, this.#at + 16);
    return this.#at + recordSize;
  }

  #checksums(from: number, checksums: Uint32Array): void {
    this.#header.writeUInt32LE(checksums.length, from);
    this.#header.writeUInt32LE(0, from + 4);
    for (let index = 0; index < checksums.length; index += 1) {
      this.#header.writeUInt32LE(checksums[index] ?? 0, from + 8 + index * 4);
    }
  }

  #end(fieldBytes: number): void {
    const length = Math.ceil(fieldBytes / 8) * 8;
    assert(this.#at + recordSize + length <= maxRecordsEnd, 'a record is asked to fit before it is added');
    this.#header.writeUInt32LE(length, this.#at + 4);
    this.#header.fill(0, this.#at + recordSize + fieldBytes, this.#at + recordSize + length);
    this.#at += recordSize + length;
    this.#records += 1;
  }
}

export type Frame = FrameHead & {
  readonly checksum: number;
  readonly headerBytes: number;
  readonly dataBlocks: number;
  readonly recordCount: number;
};

/** The length of a header that may start here, from its first block; 0 where none does. */
export function headerLengthAt(block: Uint8Array): number {
  const view = Buffer.from(block.buffer, block.byteOffset, block.length);
  if (view.readUInt32LE(0) !== magic) return 0;
  const length = view.readUInt32LE(28);
  return length >= blockSize && length <= maxHeaderBytes && length % blockSize === 0 ? length : 0;
}

/** The frame whose whole header this is, or nothing where its checksum or its pool is not right. */
export function decodeHead(header: Uint8Array, poolId: string): Frame | undefined {
  const view = Buffer.from(header.buffer, header.byteOffset, header.length);
  const checksum = view.readUInt32LE(4);
  if (headerLengthAt(header) !== header.length || checksumOf(view.subarray(8)) !== checksum) return undefined;
  if (view.toString('hex', 48, 56) !== poolId.slice(0, 16)) return undefined;
  return view.readUInt32LE(32) > maxDataBlocks ? undefined : headFrom(view, 0, poolId);
}

function headFrom(view: Buffer, at: number, poolId: string): Frame {
  return {
    poolId,
    checksum: view.readUInt32LE(at + 4),
    generation: view.readUInt32LE(at + 8),
    stream: view.readUInt32LE(at + 12),
    number: view.readDoubleLE(at + 16),
    previous: view.readUInt32LE(at + 24),
    headerBytes: view.readUInt32LE(at + 28),
    dataBlocks: view.readUInt32LE(at + 32),
    recordCount: view.readUInt32LE(at + 36),
    durable: view.readDoubleLE(at + 40),
  };
}

/** A frame as the one behind it has it: where it is, and where in that one's header its records begin. */
export type Predecessor = {
  readonly frame: Frame;
  readonly segment: number;
  readonly offset: number;
  readonly recordsAt: number;
};

/** The frame before one whose header `decodeHead` accepted; nothing where that was the first of its generation. */
export function decodePredecessor(header: Uint8Array, frame: Frame): Predecessor | undefined {
  const view = Buffer.from(header.buffer, header.byteOffset, header.length);
  const at = view.readUInt32LE(56);
  const length = view.readUInt32LE(60);
  if (length < placeSize + headerSize || at + length > header.length) return undefined;
  const before = headFrom(view, at + placeSize, frame.poolId);
  if (before.number + 1 !== frame.number || before.checksum !== frame.previous) return undefined;
  return {
    frame: before,
    segment: view.readUInt32LE(at),
    offset: view.readDoubleLE(at + 8),
    recordsAt: at + placeSize + headerSize,
  };
}

/** The records of a header that `decodeHead` accepted, or of the copy in one. */
export function decodeRecords(header: Uint8Array, frame: Frame, from = headerSize): JournalRecord[] {
  const view = Buffer.from(header.buffer, header.byteOffset, header.length);
  const records: JournalRecord[] = [];
  let at = from;
  let firstBlock = 0;
  for (let index = 0; index < frame.recordCount; index += 1) {
    const length = view.readUInt32LE(at + 4);
    const record = decodeRecord(view, at, length, firstBlock);
    if (record.kind === 'data') firstBlock += record.checksums.length;
    records.push(record);
    at += recordSize + length;
  }
  return records;
}

function decodeRecord(view: Buffer, at: number, length: number, firstBlock: number): JournalRecord {
  const place = { store: view.readDoubleLE(at + 8), sequence: view.readDoubleLE(at + 16) };
  const from = at + recordSize;
  const field = (index: number): number => view.readDoubleLE(from + index * 8);
  const kind = view.readUInt8(at);
  switch (kind) {
    case kinds.data:
      return {
        ...place,
        kind: 'data',
        object: field(0),
        offset: field(1),
        checksums: checksumsAt(view, from + 16),
        firstBlock,
      };
    case kinds.slots:
      return {
        ...place,
        kind: 'slots',
        object: field(0),
        chunk: field(1),
        slot: field(2),
        block: field(3),
        checksums: checksumsAt(view, from + 32),
      };
    case kinds.clear:
      return { ...place, kind: 'clear', object: field(0), offset: field(1), length: field(2), keep: field(3) === 1 };
    case kinds.create:
      return {
        ...place,
        kind: 'create',
        object: field(0),
        sizeBytes: field(1),
        preallocation: preallocations[field(2)] ?? 'off',
      };
    case kinds.delete:
      return { ...place, kind: 'delete', object: field(0) };
    case kinds.truncate:
      return { ...place, kind: 'truncate', object: field(0), sizeBytes: field(1) };
    case kinds.snapshot:
      return { ...place, kind: 'snapshot', snapshot: field(0) };
    case kinds.dropSnapshot:
      return { ...place, kind: 'dropSnapshot', snapshot: field(0) };
    default:
      assert(kind === kinds.batch, 'a verified header holds known records');
      return { ...place, kind: 'batch', changes: decodeBatch(view.subarray(from, from + length)) };
  }
}

function checksumsAt(view: Buffer, from: number): Uint32Array {
  const checksums = new Uint32Array(view.readUInt32LE(from));
  for (let index = 0; index < checksums.length; index += 1) checksums[index] = view.readUInt32LE(from + 8 + index * 4);
  return checksums;
}

/** A batch's fields: count u32, then key length u32, value length i32 (-1: delete), key, value. */
export function encodeBatch(changes: readonly RecordChange[]): Uint8Array {
  const size = changes.reduce((sum, { key, value }) => sum + 8 + key.length + (value?.length ?? 0), 4);
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeUInt32LE(changes.length, 0);
  let at = 4;
  for (const { key, value } of changes) {
    bytes.writeUInt32LE(key.length, at);
    bytes.writeInt32LE(value === null ? -1 : value.length, at + 4);
    bytes.set(key, at + 8);
    at += 8 + key.length;
    if (value !== null) bytes.set(value, at);
    at += value?.length ?? 0;
  }
  return bytes;
}

/** What `encodeBatch` made, copied. */
export function decodeBatch(bytes: Buffer): RecordChange[] {
  const changes: RecordChange[] = [];
  let at = 4;
  for (let index = bytes.readUInt32LE(0); index > 0; index -= 1) {
    const keyLength = bytes.readUInt32LE(at);
    const valueLength = bytes.readInt32LE(at + 4);
    const key = Uint8Array.from(bytes.subarray(at + 8, at + 8 + keyLength));
    at += 8 + keyLength;
    const value = valueLength < 0 ? null : Uint8Array.from(bytes.subarray(at, at + valueLength));
    at += Math.max(0, valueLength);
    changes.push({ key, value });
  }
  return changes;
}
