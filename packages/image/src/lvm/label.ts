import { AshlarError, assert, maxOffset } from '@ashlar/core';
import { lvmChecksum } from './checksum.ts';
import { isUuid, withHyphens, withoutHyphens } from './uuid.ts';

/**
 * The label of a physical volume, in one of its first four sectors, little endian (lvm2, lib/label/label.c and lib/format_text/layout.h):
 *
 *   0 "LABELONE" · 8 its sector u64 · 16 checksum u32 of what is behind it · 20 offset of the header u32 · 24 "LVM2 001"
 *   32 id, 32 characters · 64 size of the device u64 · 72 areas of data, then areas of metadata: offset u64, size u64, each list ended by zeros
 *   then the extension: version u32, flags u32, areas for a boot loader, ended by zeros
 */
export const sectorBytes = 512;
/** Sectors that a label is looked for in. */
export const labelSectors = 4;

const signature = 'LABELONE';
const type = 'LVM2 001';
const headerOffset = 32;
const areaBytes = 16;
/** More areas than this fit no sector. */
const mostAreas = sectorBytes / areaBytes;

const extensionVersion = 2;

/** Bytes of a device. A size of 0: to where the device, or what is behind it, begins to be used otherwise. */
export type LabelArea = { readonly offset: number; readonly sizeBytes: number };

export type PvLabel = {
  /** With hyphens. */
  readonly id: string;
  readonly sector: number;
  readonly deviceBytes: number;
  readonly dataAreas: readonly LabelArea[];
  readonly metadataAreas: readonly LabelArea[];
  /** 0: there is none; then flags are 0 as well. */
  readonly extensionVersion: number;
  readonly flags: number;
  readonly bootAreas: readonly LabelArea[];
};

/** The label in the first sectors of a device, or nothing where none begins there. Throws `corrupt` for one that is damaged. */
export function findLabel(head: Uint8Array, path: string): PvLabel | undefined {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  for (let sector = 0; sector < labelSectors; sector += 1) {
    const found = bytes.subarray(sector * sectorBytes, (sector + 1) * sectorBytes);
    if (found.length < sectorBytes || found.toString('latin1', 0, 8) !== signature) continue;
    if (found.toString('latin1', 24, 32) !== type) continue;
    return parseLabel(found, sector, path);
  }
  return undefined;
}

function parseLabel(bytes: Buffer, sector: number, path: string): PvLabel {
  if (bytes.readBigUInt64LE(8) !== BigInt(sector)) throw damaged(path, 'says that it is in another sector');
  if (bytes.readUInt32LE(16) !== lvmChecksum(bytes.subarray(20))) throw damaged(path, 'does not match its checksum');
  const start = bytes.readUInt32LE(20);
  if (start < headerOffset || start > sectorBytes - 40) throw damaged(path, 'begins outside its sector');
  const id = withHyphens(bytes.toString('latin1', start, start + 32));
  if (!isUuid(id)) throw damaged(path, 'has no id');
  const fields = new Fields(bytes, start + 32, path);
  const deviceBytes = fields.number();
  const dataAreas = fields.areas();
  const metadataAreas = fields.areas();
  const version = fields.has(8) ? fields.word() : 0;
  const flags = version >= 1 ? fields.word() : 0;
  const bootAreas = version >= 1 && fields.has(areaBytes) ? fields.areas() : [];
  return { id, sector, deviceBytes, dataAreas, metadataAreas, extensionVersion: version, flags, bootAreas };
}

/** What is read one behind the other, inside the sector. */
class Fields {
  readonly #bytes: Buffer;
  readonly #path: string;
  #at: number;

  constructor(bytes: Buffer, at: number, path: string) {
    this.#bytes = bytes;
    this.#at = at;
    this.#path = path;
  }

  has(count: number): boolean {
    return this.#at + count <= this.#bytes.length;
  }

  word(): number {
    if (!this.has(4)) throw damaged(this.#path, 'goes beyond its sector');
    this.#at += 4;
    return this.#bytes.readUInt32LE(this.#at - 4);
  }

  number(): number {
    if (!this.has(8)) throw damaged(this.#path, 'goes beyond its sector');
    this.#at += 8;
    const value = this.#bytes.readBigUInt64LE(this.#at - 8);
    if (value > BigInt(maxOffset)) throw damaged(this.#path, 'tells of places that no device has');
    return Number(value);
  }

  areas(): LabelArea[] {
    const found: LabelArea[] = [];
    for (;;) {
      const offset = this.number();
      const sizeBytes = this.number();
      if (offset === 0) return found;
      found.push({ offset, sizeBytes });
    }
  }
}

function damaged(path: string, how: string): AshlarError {
  return new AshlarError('corrupt', `the label of the physical volume '${path}' ${how}`, { path });
}

/** Its sector. */
export function encodeLabel(label: PvLabel): Buffer {
  const { bootAreas, dataAreas, deviceBytes, flags, id, metadataAreas, sector } = label;
  assert(isUuid(id), 'a physical volume has an id');
  assert(dataAreas.length + metadataAreas.length + bootAreas.length + 3 < mostAreas - 5, 'the areas fit the sector');
  const bytes = Buffer.alloc(sectorBytes);
  bytes.write(signature, 0, 'latin1');
  bytes.writeBigUInt64LE(BigInt(sector), 8);
  bytes.writeUInt32LE(headerOffset, 20);
  bytes.write(type, 24, 'latin1');
  bytes.write(withoutHyphens(id), headerOffset, 'latin1');
  bytes.writeBigUInt64LE(BigInt(deviceBytes), headerOffset + 32);
  let at = headerOffset + 40;
  const write = (areas: readonly LabelArea[]): void => {
    for (const { offset, sizeBytes } of areas) {
      bytes.writeBigUInt64LE(BigInt(offset), at);
      bytes.writeBigUInt64LE(BigInt(sizeBytes), at + 8);
      at += areaBytes;
    }
    at += areaBytes;
  };
  write(dataAreas);
  write(metadataAreas);
  bytes.writeUInt32LE(Math.max(label.extensionVersion, extensionVersion), at);
  bytes.writeUInt32LE(flags, at + 4);
  at += 8;
  write(bootAreas);
  bytes.writeUInt32LE(lvmChecksum(bytes.subarray(20)), 16);
  return bytes;
}
