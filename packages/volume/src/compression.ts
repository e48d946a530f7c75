import { AshlarError, type Compression, type Preallocation } from '@ashlar/core';
import type { NewVolume } from './types.ts';

/** What becomes of a new volume's blocks: as it says itself, else as it is configured where that can be. Throws `invalid`. */
export function compressionOf({ preallocation = 'off', compression }: NewVolume, configured: Compression): Compression {
  if (compression === undefined) return preallocation === 'off' ? configured : 'off';
  checkCompression(preallocation, compression);
  return compression;
}

/** Throws `invalid`. */
export function checkCompression(preallocation: Preallocation, compression: Compression): void {
  if (preallocation === 'off' || compression === 'off') return;
  throw new AshlarError(
    'invalid',
    'a volume that is preallocated is not compressed: its room is kept for its blocks as they are; leave out one of both',
  );
}
