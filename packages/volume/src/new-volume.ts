import type { Compression } from '@ashlar/core';
import { checkName } from './names.ts';
import { checkSize } from './sizes.ts';
import type { NewVolume, Volume, VolumePlace } from './types.ts';
import { checkTree } from './file-volumes.ts';

/** What a new volume is besides what was asked for. */
type Facts = Pick<Volume, 'uuid' | 'created' | 'acceptedLoss'> & {
  readonly place: VolumePlace;
  readonly compression: Compression;
  readonly reservedBytes: number;
};

/** Throws `invalid`. */
export function checkNewVolume(request: NewVolume): void {
  checkName('volume', request.name);
  checkSize(request.sizeBytes);
  if (request.type === 'file') checkTree(request);
}

/** The volume that was asked for. */
export function newVolume(
  { afterLoss, limits = {}, name, preallocation = 'off', sizeBytes, type = 'block' }: NewVolume,
  { compression, place, reservedBytes, ...facts }: Facts,
): Volume {
  return {
    name,
    type,
    sizeBytes,
    preallocation,
    limits,
    ...facts,
    ...(reservedBytes === 0 ? {} : { reservedBytes }),
    ...(afterLoss === undefined ? {} : { afterLoss }),
    ...(compression === 'off' ? {} : { compression }),
    ...place,
  };
}
