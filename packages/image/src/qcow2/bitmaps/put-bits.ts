import type { NewBitmap } from '../bitmap-directory.ts';
import type { BitmapBits } from './bitmap-bits.ts';

/** Writes the bits of a bitmap, but for clusters of zeros, and the table that names them. `put` writes to clusters of their own and gives where. */
export async function putBits(
  bits: BitmapBits,
  clusterBytes: number,
  put: (bytes: Uint8Array) => Promise<number>,
): Promise<Pick<NewBitmap, 'tableOffset' | 'tableEntries'>> {
  const tableEntries = Math.ceil(bits.bytes.length / clusterBytes);
  const entries = Buffer.alloc(tableEntries * 8);
  for (let index = 0; index < tableEntries; index += 1) {
    const part = bits.partOf(index, clusterBytes);
    if (part === undefined) continue;
    entries.writeBigUInt64BE(BigInt(await put(part)), index * 8);
  }
  return { tableOffset: await put(entries), tableEntries };
}
