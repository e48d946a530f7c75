import { AshlarError } from '@ashlar/core';
import { extensionTypes, headerBytes, magic, mostNameBytes, type OtherExtension, type Qcow2Header } from './header.ts';

/** The names of the features, for programs that do not know them: kind u8, bit u8, 46 bytes. */
const featureNames: readonly (readonly [kind: 0 | 1 | 2, bit: number, name: string])[] = [
  [0, 0, 'dirty bit'],
  [0, 1, 'corrupt bit'],
  [0, 2, 'external data file'],
  [0, 3, 'compression type'],
  [0, 4, 'extended L2 entries'],
  [1, 0, 'lazy refcounts'],
  [2, 0, 'bitmaps'],
  [2, 1, 'raw external data'],
];

/** The first cluster of an image. Throws `invalid` where the names do not fit it. */
export function encodeHeader(header: Qcow2Header): Uint8Array {
  const clusterBytes = 2 ** header.clusterBits;
  const bytes = Buffer.alloc(clusterBytes);
  bytes.writeUInt32BE(magic, 0);
  bytes.writeUInt32BE(header.version, 4);
  bytes.writeUInt32BE(header.clusterBits, 20);
  bytes.writeBigUInt64BE(BigInt(header.sizeBytes), 24);
  bytes.writeUInt32BE(header.l1Entries, 36);
  bytes.writeBigUInt64BE(BigInt(header.l1Offset), 40);
  bytes.writeBigUInt64BE(BigInt(header.refcountTableOffset), 48);
  bytes.writeUInt32BE(header.refcountTableClusters, 56);
  bytes.writeUInt32BE(header.snapshotCount, 60);
  bytes.writeBigUInt64BE(BigInt(header.snapshotsOffset), 64);
  let at: number = headerBytes.v2;
  if (header.version === 3) {
    bytes.writeBigUInt64BE(BigInt(header.incompatible), 72);
    bytes.writeBigUInt64BE(BigInt(header.compatible), 80);
    bytes.writeBigUInt64BE(BigInt(header.autoclear), 88);
    bytes.writeUInt32BE(header.refcountOrder, 96);
    bytes.writeUInt32BE(headerBytes.now, 100);
    bytes.writeUInt8(header.compression === 'zstd' ? 1 : 0, 104);
    at = headerBytes.now;
  }
  for (const { type, bytes: content } of extensionsFor(header)) {
    const end = at + 8 + Math.ceil(content.length / 8) * 8;
    if (end + 8 > clusterBytes) throw tooLong();
    bytes.writeUInt32BE(type, at);
    bytes.writeUInt32BE(content.length, at + 4);
    bytes.set(content, at + 8);
    at = end;
  }
  // The end of the extensions is 8 bytes of zeros.
  at += 8;
  if (header.backingFile !== undefined) {
    const name = Buffer.from(header.backingFile);
    if (name.length > mostNameBytes || at + name.length > clusterBytes) throw tooLong();
    bytes.set(name, at);
    bytes.writeBigUInt64BE(BigInt(at), 8);
    bytes.writeUInt32BE(name.length, 16);
  }
  return bytes;
}

function extensionsFor(header: Qcow2Header): OtherExtension[] {
  const found: OtherExtension[] = [];
  const { backingFormat, bitmaps, dataFile } = header;
  if (backingFormat !== undefined)
    found.push({ type: extensionTypes.backingFormat, bytes: Buffer.from(backingFormat) });
  if (dataFile !== undefined) found.push({ type: extensionTypes.dataFile, bytes: Buffer.from(dataFile) });
  // Small clusters have no room for names that nobody needs.
  if (header.version === 3 && header.clusterBits >= 10)
    found.push({ type: extensionTypes.featureNames, bytes: namesOfFeatures() });
  if (bitmaps !== undefined) {
    const bytes = Buffer.alloc(24);
    bytes.writeUInt32BE(bitmaps.count, 0);
    bytes.writeBigUInt64BE(BigInt(bitmaps.directoryBytes), 8);
    bytes.writeBigUInt64BE(BigInt(bitmaps.directoryOffset), 16);
    found.push({ type: extensionTypes.bitmaps, bytes });
  }
  return [...found, ...header.others];
}

function namesOfFeatures(): Uint8Array {
  const bytes = Buffer.alloc(featureNames.length * 48);
  for (const [index, [kind, bit, name]] of featureNames.entries()) {
    bytes.writeUInt8(kind, index * 48);
    bytes.writeUInt8(bit, index * 48 + 1);
    bytes.write(name, index * 48 + 2, 'latin1');
  }
  return bytes;
}

function tooLong(): AshlarError {
  return new AshlarError('invalid', 'the name of the backing file does not fit into the first cluster of the image');
}
