import { AshlarError, type BlockDevice, type BlockSizes } from '@ashlar/core';

/** The part of a device that a range is checked against. */
type Checked = { readonly sizeBytes: number; readonly blockSizes: BlockSizes };

function isMultiple(value: number, unit: number): boolean {
  return Number.isSafeInteger(value) && value % unit === 0;
}

/**
 * The choke point of every device: a range is made of whole minimum blocks and lies inside the device. Throws
 * `invalid` or `out-of-range`.
 */
export function checkRange(device: Checked, operation: string, offset: number, length: number): void {
  const unit = device.blockSizes.minimum;
  if (!isMultiple(offset, unit) || !isMultiple(length, unit) || length < 0) {
    throw new AshlarError(
      'invalid',
      `${operation} at ${offset} of ${length} bytes is not made of whole blocks of ${unit} bytes`,
      {
        operation,
        offset,
        length,
      },
    );
  }
  if (offset < 0 || offset + length > device.sizeBytes) {
    throw new AshlarError(
      'out-of-range',
      `${operation} at ${offset} of ${length} bytes is outside the device of ${device.sizeBytes} bytes`,
      {
        operation,
        offset,
        length,
      },
    );
  }
}

/** The new size of a device: whole minimum blocks. Throws `invalid`. */
export function checkSize(device: Checked, sizeBytes: number): void {
  if (isMultiple(sizeBytes, device.blockSizes.minimum) && sizeBytes >= 0) return;
  throw new AshlarError(
    'invalid',
    `a size of ${sizeBytes} bytes is not made of whole blocks of ${device.blockSizes.minimum} bytes`,
    {
      operation: 'resize',
    },
  );
}

/** Both buffers of a compare-and-write have one length. Throws `invalid`. */
export function checkSameLength(offset: number, expected: Uint8Array, from: Uint8Array): void {
  if (expected.length === from.length) return;
  throw new AshlarError(
    'invalid',
    `compareAndWrite at ${offset} compares ${expected.length} bytes and writes ${from.length}`,
    {
      operation: 'compareAndWrite',
      offset,
      length: from.length,
    },
  );
}

/** What `extents` promises of `limit`. Throws `invalid`. */
export function checkLimit(limit: number): void {
  if (Number.isSafeInteger(limit) && limit >= 1) return;
  throw new AshlarError('invalid', `extents are asked for with a limit of ${limit}: at least 1 is needed`, {
    operation: 'extents',
  });
}

/** The answer of every operation after `close`. */
export function closedError(operation: string): AshlarError {
  return new AshlarError('closed', `${operation} on a device that is closed`, { operation });
}

export function readOnlyError(operation: string): AshlarError {
  return new AshlarError('read-only', `${operation} is refused: the device is read-only`, { operation });
}

export function unsupportedError(operation: string): AshlarError {
  return new AshlarError('unsupported', `${operation} is not something this device can do`, { operation });
}

/** Throws `miscompare` with the device's offset of the first byte that differs. `found` was read at `offset`. */
export function checkEqual(offset: number, expected: Uint8Array, found: Uint8Array): void {
  if (Buffer.compare(expected, found) === 0) return;
  let index = 0;
  while (expected[index] === found[index]) index += 1;
  throw new AshlarError('miscompare', `the contents differ from what was expected at ${offset + index}`, {
    operation: 'compareAndWrite',
    offset: offset + index,
    length: expected.length,
  });
}

/** Bytes of one copy or zeroing step: large enough to be fast, small enough that many at once stay small. */
export function stepBytes(device: Pick<BlockDevice, 'blockSizes'>): number {
  const step = Math.min(1024 * 1024, device.blockSizes.maximum);
  return Math.max(step - (step % device.blockSizes.preferred), device.blockSizes.minimum);
}
