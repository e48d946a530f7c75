import { AshlarError, maxOffset } from '@ashlar/core';

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
