import { AshlarError, formatSize, maxOffset } from '@ashlar/core';
import type { Volume } from './types.ts';

/** Volumes are whole sectors: what every guest and image format can hold. */
const sectorBytes = 512;

/** Throws `invalid`. */
export function checkSize(sizeBytes: number): void {
  if (Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes % sectorBytes === 0 && sizeBytes <= maxOffset)
    return;
  throw new AshlarError(
    'invalid',
    `a volume of ${sizeBytes} bytes cannot be made: its size is a multiple of ${sectorBytes} bytes, at least one`,
  );
}

/** Throws `invalid` where the new size cuts contents off. */
export function refuseShrinking({ name, sizeBytes: before }: Volume, sizeBytes: number): void {
  if (sizeBytes >= before) return;
  const sizes = `${formatSize(before)} to ${formatSize(sizeBytes)}`;
  throw new AshlarError(
    'invalid',
    `making the volume '${name}' smaller (${sizes}) cuts off what lies behind: say --shrink if that is meant`,
    { volume: name },
  );
}
