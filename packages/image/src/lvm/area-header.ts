import { alignUp, AshlarError, assert, maxOffset } from '@ashlar/core';
import { lvmChecksum } from './checksum.ts';
import { sectorBytes, type LabelArea } from './label.ts';

/**
 * The header of a metadata area, its first sector, little endian (lvm2, lib/format_text/layout.h):
 *
 *   0 checksum u32 of what is behind it · 4 " LVM2 x[5A%r0N*>" · 20 version u32, 1 · 24 offset of the area u64 · 32 its size u64
 *   40 places of texts, of 24 bytes: offset in the area u64, size u64, checksum u32, flags u32
 *
 * The first place is of the text that is committed, the second of one that is prepared, a zero offset of none. Behind the header texts
 * go round in the rest of the area, each from the next sector on.
 */
const magic = ' LVM2 x[5A%r0N*>';
const version = 1;
const placesOffset = 40;
const placeBytes = 24;
const ignoredFlag = 1;

/** Texts are bounded so that nothing is allocated for what a header merely says. */
const mostTextBytes = 32 * 1024 * 1024;

export type TextPlace = {
  /** From the beginning of the area. */
  readonly offset: number;
  readonly sizeBytes: number;
  readonly checksum: number;
};

export type AreaHeader = {
  readonly area: LabelArea;
  readonly committed: TextPlace | undefined;
  readonly prepared: TextPlace | undefined;
  /** The area is kept out of use. */
  readonly isIgnored: boolean;
};

/** Throws `corrupt`. */
export function parseAreaHeader(bytes: Buffer, area: LabelArea, path: string): AreaHeader {
  if (bytes.length < sectorBytes) throw damaged(path, 'ends before its header does');
  if (bytes.toString('latin1', 4, 20) !== magic) throw damaged(path, 'does not begin as one');
  if (bytes.readUInt32LE(0) !== lvmChecksum(bytes.subarray(4, sectorBytes))) {
    throw damaged(path, 'does not match its checksum');
  }
  if (bytes.readUInt32LE(20) !== version) throw damaged(path, 'is of a version that is not known');
  const isElsewhere = bytes.readBigUInt64LE(24) !== BigInt(area.offset);
  const sizeBytes = bytes.readBigUInt64LE(32);
  if (isElsewhere) throw damaged(path, 'says that it is in another place');
  if (sizeBytes <= BigInt(sectorBytes) || sizeBytes > BigInt(maxOffset - area.offset)) {
    throw damaged(path, 'has a size that cannot be');
  }
  const found = { offset: area.offset, sizeBytes: Number(sizeBytes) };
  const committed = placeAt(bytes, placesOffset, found, path);
  const prepared = placeAt(bytes, placesOffset + placeBytes, found, path);
  const flags = bytes.readUInt32LE(placesOffset + 20);
  return { area: found, committed, prepared, isIgnored: (flags & ignoredFlag) !== 0 };
}

function placeAt(bytes: Buffer, at: number, area: LabelArea, path: string): TextPlace | undefined {
  const offset = bytes.readBigUInt64LE(at);
  const sizeBytes = bytes.readBigUInt64LE(at + 8);
  // As LVM: a place without a size is one of an area that is out of use.
  if (offset === 0n || sizeBytes === 0n) return undefined;
  if (offset < BigInt(sectorBytes) || offset >= BigInt(area.sizeBytes)) {
    throw damaged(path, 'has a text outside of it');
  }
  if (sizeBytes > BigInt(Math.min(area.sizeBytes - sectorBytes, mostTextBytes))) {
    throw damaged(path, 'has a text that does not fit it');
  }
  return { offset: Number(offset), sizeBytes: Number(sizeBytes), checksum: bytes.readUInt32LE(at + 16) };
}

function damaged(path: string, how: string): AshlarError {
  return new AshlarError('corrupt', `a metadata area of the physical volume '${path}' ${how}`, { path });
}

/** Its sector. */
export function encodeAreaHeader({ area, committed, isIgnored, prepared }: AreaHeader): Buffer {
  const bytes = Buffer.alloc(sectorBytes);
  bytes.write(magic, 4, 'latin1');
  bytes.writeUInt32LE(version, 20);
  bytes.writeBigUInt64LE(BigInt(area.offset), 24);
  bytes.writeBigUInt64LE(BigInt(area.sizeBytes), 32);
  for (const [index, place] of [committed, prepared].entries()) {
    if (place === undefined) continue;
    const at = placesOffset + index * placeBytes;
    bytes.writeBigUInt64LE(BigInt(place.offset), at);
    bytes.writeBigUInt64LE(BigInt(place.sizeBytes), at + 8);
    bytes.writeUInt32LE(place.checksum, at + 16);
  }
  if (isIgnored) bytes.writeUInt32LE(ignoredFlag, placesOffset + 20);
  bytes.writeUInt32LE(lvmChecksum(bytes.subarray(4)), 0);
  return bytes;
}

/** A run of an area's bytes on its device. */
export type AreaRun = { readonly offset: number; readonly length: number };

/** Where a text lies: in one run, or in two where it goes on at the beginning of the ring. */
export function runsOf(area: LabelArea, { offset, sizeBytes }: Pick<TextPlace, 'offset' | 'sizeBytes'>): AreaRun[] {
  const first = Math.min(sizeBytes, area.sizeBytes - offset);
  const runs = [{ offset: area.offset + offset, length: first }];
  if (first < sizeBytes) runs.push({ offset: area.offset + sectorBytes, length: sizeBytes - first });
  return runs;
}

/**
 * The place of the next text: from the sector behind the one that is there, around the end where that is met. Throws `no-space` where it
 * would meet the text that is there.
 */
export function placeOfNext({ area, committed }: AreaHeader, sizeBytes: number, path: string): number {
  const ring = area.sizeBytes - sectorBytes;
  assert(ring > 0, 'an area has room behind its header');
  const end = committed === undefined ? sectorBytes : alignUp(committed.offset + committed.sizeBytes, sectorBytes);
  const offset = end < area.sizeBytes ? end : end - ring;
  const begin = committed?.offset ?? offset + ring;
  // What is free from there on, round to where the text begins.
  const free = begin >= offset ? begin - offset : ring - (offset - begin);
  if (sizeBytes <= free && sizeBytes <= mostTextBytes) return offset;
  throw new AshlarError('no-space', `a text of ${sizeBytes} bytes does not fit the metadata area of '${path}'`, {
    path,
  });
}
