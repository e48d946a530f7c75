import { assert } from '@ashlar/core';
import { zstdCompress, zstdDecompress } from '@ashlar/host';
import { blockSize } from '../checksum.ts';
import { countBits, hasBit, type Bits } from './map-leaf.ts';

/**
 * What the slot of a compressed piece holds, from its first block on: magic u32, reserved u32, the blocks of the chunk that are in it as
 * two u32, the lengths of four frames as u32, then the frames: of zstd (RFC 8878), each of the bytes of 16 of the blocks, in their
 * order, one behind the other, the last one perhaps of fewer; zeros up to the end of the last block. The map says how many blocks
 * that is, and which of the piece's are the chunk's still.
 */
const magic = 0x315a5341;
const headerSize = 32;
const lengthsAt = 16;
const mostFrames = 4;
/** Blocks that are decompressed together: what a read of one of them costs. Larger frames save 5 % more. */
const frameBlocks = 16;
const frameBytes = frameBlocks * blockSize;

/** The fastest that saves nearly as much as the next ones (docs/decisions/0014). */
const level = 1;

/** Of blocks together at least this share must be saved, and one at least: a piece that is hardly smaller is soon to be written anew. */
const leastSaved = 1 / 8;

/** How many blocks there are before one. */
export function rankOf({ low, high }: Bits, block: number): number {
  const below = (1 << (block & 31)) - 1;
  return block < 32 ? countBits({ low: low & below, high: 0 }) : countBits({ low, high: high & below });
}

/** The whole blocks that a slot is to hold, in `room`, or nothing where that saves too little. `bytes`: the blocks, one behind the other. */
export function packPiece(bits: Bits, bytes: Uint8Array, room: Uint8Array): Uint8Array | undefined {
  const count = countBits(bits);
  assert(bytes.length === count * blockSize, 'each block that is named is there');
  assert(count <= mostFrames * frameBlocks, 'a chunk has no more blocks than four frames hold');
  const most = (count - Math.max(1, Math.ceil(count * leastSaved))) * blockSize;
  if (most <= headerSize) return undefined;
  const whole = room.subarray(0, most);
  const view = new DataView(whole.buffer, whole.byteOffset, most);
  whole.fill(0, 0, headerSize);
  view.setUint32(0, magic, true);
  view.setUint32(8, bits.low, true);
  view.setUint32(12, bits.high, true);
  let end = headerSize;
  for (let index = 0; index * frameBlocks < count; index += 1) {
    const from = bytes.subarray(index * frameBytes, (index + 1) * frameBytes);
    const length = zstdCompress(from, whole.subarray(end), level);
    if (length < 0) return undefined;
    view.setUint32(lengthsAt + index * 4, length, true);
    end += length;
  }
  const blocks = whole.subarray(0, Math.ceil(end / blockSize) * blockSize);
  blocks.fill(0, end);
  return blocks;
}

/** Room for a block that is tried, less than which it must take. */
const trial = new Uint8Array(blockSize * (1 - leastSaved));

/** Whether a large write is worth being compressed, by a block in its middle. zstd itself passes quickly over what does not compress. */
export function seemsToPack(bytes: Uint8Array): boolean {
  const at = Math.floor(bytes.length / blockSize / 2) * blockSize;
  return zstdCompress(bytes.subarray(at, at + blockSize), trial, level) >= 0;
}

/** A compressed piece. Blocks are decompressed where they are asked for, with those of their frame. */
export class PackedPiece {
  readonly bits: Bits;
  readonly #count: number;
  readonly #stored: Uint8Array;
  readonly #room: Uint8Array;
  /** Where in `#stored` each frame begins, and the last one ends. */
  readonly #starts: readonly number[];
  /** By frame, where it was asked for: whether it is of its blocks. */
  readonly #isWhole: (boolean | undefined)[] = [];

  private constructor(stored: Uint8Array, room: Uint8Array, bits: Bits, starts: readonly number[]) {
    this.bits = bits;
    this.#count = countBits(bits);
    this.#stored = stored;
    this.#room = room;
    this.#starts = starts;
  }

  /** `stored`: what the slot holds of it, verified; `room`: for the blocks of a chunk. Nothing where that is no compressed piece. */
  static of(stored: Uint8Array, room: Uint8Array): PackedPiece | undefined {
    const view = new DataView(stored.buffer, stored.byteOffset, stored.length);
    if (view.getUint32(0, true) !== magic) return undefined;
    const bits = { low: view.getUint32(8, true), high: view.getUint32(12, true) };
    const count = countBits(bits);
    if (count === 0 || count * blockSize > room.length) return undefined;
    const starts = [headerSize];
    for (let index = 0; index * frameBlocks < count; index += 1) {
      const end = starts[index]! + view.getUint32(lengthsAt + index * 4, true);
      if (end > stored.length) return undefined;
      starts.push(end);
    }
    return new PackedPiece(stored, room, bits, starts);
  }

  /** The bytes of a block, in the room; nothing where the piece does not have it, or its frame is damaged. */
  blockAt(block: number): Uint8Array | undefined {
    if (!hasBit(this.bits, block)) return undefined;
    const rank = rankOf(this.bits, block);
    if (!this.#unpack(Math.floor(rank / frameBlocks))) return undefined;
    return this.#room.subarray(rank * blockSize, (rank + 1) * blockSize);
  }

  /** Whether the block was decompressed, with another one perhaps. */
  isUnpacked(block: number): boolean {
    return hasBit(this.bits, block) && this.#isWhole[Math.floor(rankOf(this.bits, block) / frameBlocks)] === true;
  }

  /** Every frame is what the header says. */
  get isWhole(): boolean {
    for (let index = 0; index < this.#starts.length - 1; index += 1) if (!this.#unpack(index)) return false;
    return true;
  }

  /** Never more than a frame is of, whatever its bytes say. Bytes that verify and are no frame: whoever wrote them was wrong. */
  #unpack(index: number): boolean {
    const known = this.#isWhole[index];
    if (known !== undefined) return known;
    const room = this.#room.subarray(index * frameBytes, Math.min((index + 1) * frameBytes, this.#count * blockSize));
    const frame = this.#stored.subarray(this.#starts[index]!, this.#starts[index + 1]!);
    const isWhole = zstdDecompress(frame, room) === room.length;
    this.#isWhole[index] = isWhole;
    return isWhole;
  }
}
