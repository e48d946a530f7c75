import type { HostFile } from '@ashlar/host';
import { blockSize, firstDamaged } from './checksum.ts';
import { decodeHead, decodeRecords, headerLengthAt } from './format/journal-frame.ts';

/** All bytes of the frame that begins there, if it is that one and every block that it carries verifies. */
export async function readFrame(
  file: HostFile,
  offset: number,
  poolId: string,
  expected: { readonly generation: number; readonly number: number },
): Promise<Uint8Array | undefined> {
  const first = new Uint8Array(blockSize);
  if ((await file.read(offset, first)) < blockSize) return undefined;
  const header = new Uint8Array(headerLengthAt(first));
  if (header.length === 0 || (await file.read(offset, header)) < header.length) return undefined;
  const frame = decodeHead(header, poolId);
  if (frame?.generation !== expected.generation || frame.number !== expected.number) return undefined;
  const bytes = new Uint8Array(header.length + frame.dataBlocks * blockSize);
  bytes.set(header);
  const carried = bytes.subarray(header.length);
  if ((await file.read(offset + header.length, carried)) < carried.length) return undefined;
  for (const record of decodeRecords(header, frame)) {
    if (record.kind !== 'data') continue;
    const from = record.firstBlock * blockSize;
    const blocks = carried.subarray(from, from + record.checksums.length * blockSize);
    if (firstDamaged(blocks, record.checksums, 0) >= 0) return undefined;
  }
  return bytes;
}
