import { AshlarError } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { incompatible, type Qcow2Header } from '../header.ts';
import { readHeader, writeHeaderFields } from '../stored.ts';
import { checkQcow2 } from './check.ts';

/** Of the header: bits that are cleared by who does not know them. */
const autoclearAt = 88;

/**
 * The header of an image that is changed from now on. One whose writer kept its refcounts for later, and died, is mended before, as QEMU does it; ours
 * keeps them always. Throws `corrupt` for an image that is damaged.
 */
export async function mendedHeader(file: HostFile, path: string): Promise<Qcow2Header> {
  const header = await readHeader(file, path);
  await clearUnknown(file, header);
  if ((header.incompatible & incompatible.corrupt) !== 0) throw damaged(path);
  if ((header.incompatible & incompatible.dirty) === 0) return header;
  const { corruptions } = await checkQcow2(file, path, 'all', () => undefined);
  if (corruptions > 0) throw damaged(path);
  return await readHeader(file, path);
}

/** What others keep beside the image, and whoever does not know it makes untrue. */
async function clearUnknown(file: HostFile, { autoclear, version }: Qcow2Header): Promise<void> {
  if (version === 2) return;
  const bits = Buffer.alloc(8);
  await file.read(autoclearAt, bits);
  if (bits.readBigUInt64BE() !== BigInt(autoclear)) await writeHeaderFields(file, version, { autoclear });
}

function damaged(path: string): AshlarError {
  return new AshlarError('corrupt', `'${path}' is damaged: mend it with 'ashlar image check -r all' first`, { path });
}
