import { zstdDecompress, zstdFrameBytes } from '@ashlar/host';
import type { CompressionType } from './header.ts';

/**
 * A compressed cluster: `from` is what its sectors hold, which may go on behind it. False where it is not the `into.length` bytes of a cluster. Whatever
 * it says, no more than that is made of it.
 */
export function unpackCluster(type: CompressionType, from: Uint8Array, into: Uint8Array): boolean {
  return type === 'zlib' ? inflate(from, into) : unzstd(from, into);
}

function inflate(from: Uint8Array, into: Uint8Array): boolean {
  // Loaded for images that have such clusters.
  const { constants, inflateRawSync } = process.getBuiltinModule('node:zlib');
  try {
    // The stream ends where it says so, and its last sector not there.
    const made = inflateRawSync(from, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: into.length });
    if (made.length !== into.length) return false;
    into.set(made);
    return true;
  } catch {
    return false;
  }
}

function unzstd(from: Uint8Array, into: Uint8Array): boolean {
  const length = zstdFrameBytes(from);
  return length > 0 && zstdDecompress(from.subarray(0, length), into) === into.length;
}
