import { AshlarError, assert, MiB } from '@ashlar/core';
import { xxh64Low } from '@ashlar/host';

/**
 * A snapshot of a volume as a stream, whole or what changed since an earlier one: frames, in the order of their offsets. A
 * frame is a head of 32 bytes, little endian, and in some a payload:
 *
 *     magic u32 'AVS1', type u32, offset u64, length u64, checksum of the payload u32,
 *     checksum of this head u32, with the checksum of the head before in its place (0 in the first)
 *
 * so that none can be missing, twice or at another place unnoticed. Checksums are the low 32 bits of XXH64. The first
 * frame is a header: `length` bytes of JSON. `data` has `length` bytes for the offset; `zero` says that as many read as zeros; `end`
 * says in `offset` how many frames came before it.
 */
const magic = 0x31535641;
export const headBytes = 32;

/** Bytes of data in one frame. */
export const mostDataBytes = MiB;
const mostHeaderBytes = 64 * 1024;

const types = { header: 1, data: 2, zero: 3, end: 4 } as const;

export type FrameType = keyof typeof types;

/** What the stream is of. Names and uuids are those of the sending server. */
export type StreamHeader = {
  readonly format: 'ashlar-volume-stream';
  readonly volume: string;
  readonly sizeBytes: number;
  readonly snapshot: SnapshotName;
  /** The snapshot that the receiver must have; nothing in a stream of the whole volume. */
  readonly since?: SnapshotName;
  /** Where the stream begins: not at 0 where it goes on with one that broke off. */
  readonly startOffset: number;
};

type SnapshotName = { readonly name: string; readonly uuid: string };

export type FrameHead = {
  readonly type: FrameType;
  readonly offset: number;
  readonly length: number;
  readonly payloadChecksum: number;
};

/** Writes one stream's frames. */
export class FrameEncoder {
  #previous = 0;
  #frames = 0;

  header(header: StreamHeader): Uint8Array[] {
    assert(this.#frames === 0, 'a stream begins with its header');
    const payload = Buffer.from(JSON.stringify(header));
    return [this.#head('header', 0, payload.length, payload), payload];
  }

  data(offset: number, payload: Uint8Array): Uint8Array[] {
    assert(payload.length > 0 && payload.length <= mostDataBytes, 'a frame has some data');
    return [this.#head('data', offset, payload.length, payload), payload];
  }

  zero(offset: number, length: number): Uint8Array[] {
    return [this.#head('zero', offset, length)];
  }

  end(): Uint8Array[] {
    return [this.#head('end', this.#frames, 0)];
  }

  #head(type: FrameType, offset: number, length: number, payload?: Uint8Array): Uint8Array {
    const head = Buffer.alloc(headBytes);
    head.writeUInt32LE(magic, 0);
    head.writeUInt32LE(types[type], 4);
    head.writeBigUInt64LE(BigInt(offset), 8);
    head.writeBigUInt64LE(BigInt(length), 16);
    head.writeUInt32LE(payload === undefined ? 0 : xxh64Low(payload), 24);
    head.writeUInt32LE(this.#previous, 28);
    this.#previous = xxh64Low(head);
    head.writeUInt32LE(this.#previous, 28);
    this.#frames += 1;
    return head;
  }
}

/** Checks one stream's frames. Throws `corrupt`, or `invalid` for what is no such stream. */
export class FrameDecoder {
  #previous = 0;
  #frames = 0;
  #end = 0;

  /** Of 32 bytes. The payload is as long as `length` in a header and in data. */
  head(bytes: Uint8Array): FrameHead {
    const head = Buffer.from(bytes);
    if (head.readUInt32LE(0) !== magic) {
      if (this.#frames === 0) throw new AshlarError('invalid', "this is no stream that 'ashlar volume send' wrote");
      throw this.#damaged();
    }
    const checksum = head.readUInt32LE(28);
    head.writeUInt32LE(this.#previous, 28);
    if (xxh64Low(head) !== checksum) throw this.#damaged();
    const type = this.#typeOf(head.readUInt32LE(4));
    const offset = Number(head.readBigUInt64LE(8));
    const length = Number(head.readBigUInt64LE(16));
    this.#check(type, offset, length);
    this.#previous = checksum;
    this.#frames += 1;
    return { type, offset, length, payloadChecksum: head.readUInt32LE(24) };
  }

  payload({ payloadChecksum }: FrameHead, payload: Uint8Array): void {
    if (xxh64Low(payload) !== payloadChecksum) throw this.#damaged();
  }

  #damaged(): AshlarError {
    return new AshlarError('corrupt', `the stream is damaged in or behind its frame ${this.#frames}: send it again`);
  }

  #typeOf(number: number): FrameType {
    const found = (Object.keys(types) as FrameType[]).find((type) => types[type] === number);
    if (found === undefined) throw new AshlarError('unsupported', 'the stream was written by a newer Ashlar');
    return found;
  }

  #check(type: FrameType, offset: number, length: number): void {
    if ((type === 'header') !== (this.#frames === 0)) throw this.#damaged();
    if (type === 'end') {
      if (offset !== this.#frames) throw this.#damaged();
      return;
    }
    const most = type === 'header' ? mostHeaderBytes : type === 'data' ? mostDataBytes : Number.MAX_SAFE_INTEGER;
    if (length > most || (type !== 'header' && (length === 0 || offset < this.#end))) throw this.#damaged();
    if (!Number.isSafeInteger(offset + length)) throw this.#damaged();
    if (type !== 'header') this.#end = offset + length;
  }
}

/** What is in a header frame. Throws `unsupported` where it is of another format. */
export function parseHeader(payload: Uint8Array): StreamHeader {
  const header = JSON.parse(Buffer.from(payload).toString('utf8')) as StreamHeader;
  if (header.format === 'ashlar-volume-stream') return header;
  throw new AshlarError('unsupported', 'the stream was written by a newer Ashlar');
}
