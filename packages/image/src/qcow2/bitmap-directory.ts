import { AshlarError } from '@ashlar/core';
import type { BitmapsExtension } from './header.ts';

/**
 * A bitmap of an image (QEMU, docs/interop/qcow2.txt, "Bitmaps"), big endian: 0 its table's offset u64 · 8 the table's entries u32 · 12 flags u32
 * 16 type u8 · 17 granularity bits u8 · 18 length of the name u16 · 20 extra bytes u32 · extra · name, padded to 8.
 */
export type ImageBitmap = {
  readonly name: string;
  /** Bytes that one bit stands for. */
  readonly granularity: number;
  /** It was not written to its end: what it says is worth nothing. */
  readonly isInUse: boolean;
  /** Writes set its bits. */
  readonly isAuto: boolean;
  readonly tableOffset: number;
  readonly tableEntries: number;
  /** All flags, and where the entry begins in the directory. */
  readonly flags: number;
  readonly entryOffset: number;
};

const headBytes = 24;
const mostNameBytes = 1023;
const dirtyTracking = 1;

/** Throws `corrupt`, and `unsupported` for types that are not known. */
export function parseBitmaps(bytes: Buffer, { count }: Pick<BitmapsExtension, 'count'>, path: string): ImageBitmap[] {
  const broken = (what: string): AshlarError =>
    new AshlarError('corrupt', `the bitmaps of '${path}' are damaged: ${what}`, { path });
  const found: ImageBitmap[] = [];
  let at = 0;
  for (let number = 1; number <= count; number += 1) {
    if (at + headBytes > bytes.length) throw broken(`the directory ends before number ${number}`);
    const flags = bytes.readUInt32BE(at + 12);
    const [type, bits, nameBytes] = [bytes[at + 16]!, bytes[at + 17]!, bytes.readUInt16BE(at + 18)];
    const name = at + headBytes + bytes.readUInt32BE(at + 20);
    if (nameBytes === 0 || nameBytes > mostNameBytes || name + nameBytes > bytes.length) {
      throw broken(`the name of number ${number} is of ${nameBytes} bytes`);
    }
    if (type !== dirtyTracking) {
      throw new AshlarError('unsupported', `'${path}' has a bitmap of a type that is not known: ${type}`, { path });
    }
    if (bits < 9 || bits > 31) throw broken(`a bit of number ${number} stands for 2^${bits} bytes`);
    const tableOffset = bytes.readBigUInt64BE(at);
    if (tableOffset > BigInt(Number.MAX_SAFE_INTEGER))
      throw broken(`the table of number ${number} is at ${tableOffset}`);
    found.push({
      name: bytes.toString('utf8', name, name + nameBytes),
      granularity: 2 ** bits,
      isInUse: (flags & 1) !== 0,
      isAuto: (flags & 2) !== 0,
      tableOffset: Number(tableOffset),
      tableEntries: bytes.readUInt32BE(at + 8),
      flags,
      entryOffset: at,
    });
    at = Math.ceil((name + nameBytes) / 8) * 8;
  }
  return found;
}

/** What a directory says of a bitmap. `flags` of one that is there already, with what is in it that is not known here. */
export type NewBitmap = Pick<ImageBitmap, 'name' | 'granularity' | 'isAuto' | 'tableOffset' | 'tableEntries'> & {
  readonly flags?: number;
};

/** What an entry begins with. */
export function encodeTablePlace(tableOffset: number, tableEntries: number): Buffer {
  const words = Buffer.alloc(12);
  words.writeBigUInt64BE(BigInt(tableOffset), 0);
  words.writeUInt32BE(tableEntries, 8);
  return words;
}

/** A directory of bitmaps. What somebody else added to an entry (extra bytes) is not in it. */
export function encodeBitmaps(bitmaps: readonly NewBitmap[]): Buffer {
  return Buffer.concat(
    bitmaps.map(({ granularity, isAuto, name, flags = isAuto ? 2 : 0, tableEntries, tableOffset }) => {
      const encoded = Buffer.from(name);
      const entry = Buffer.alloc(Math.ceil((headBytes + encoded.length) / 8) * 8);
      entry.set(encodeTablePlace(tableOffset, tableEntries));
      entry.writeUInt32BE(flags, 12);
      entry.writeUInt8(dirtyTracking, 16);
      entry.writeUInt8(Math.log2(granularity), 17);
      entry.writeUInt16BE(encoded.length, 18);
      entry.set(encoded, headBytes);
      return entry;
    }),
  );
}
