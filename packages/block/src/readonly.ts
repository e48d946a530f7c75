import type { BlockCapabilities, BlockDevice } from '@ashlar/core';
import { readOnlyError } from './check.ts';
import { Layer } from './layer.ts';

class ReadOnlyDevice extends Layer {
  override get readOnly(): boolean {
    return true;
  }

  override get capabilities(): BlockCapabilities {
    return {
      ...this.below.capabilities,
      durable: 'none',
      trim: 'none',
      zero: 'none',
      fastZero: 'none',
      compareAndWrite: 'none',
      copyFrom: 'none',
      resize: 'none',
    };
  }

  override write(): void {
    throw readOnlyError('write');
  }

  override trim(): void {
    throw readOnlyError('trim');
  }

  override zero(): void {
    throw readOnlyError('zero');
  }

  override compareAndWrite(): void {
    throw readOnlyError('compareAndWrite');
  }

  override copyFrom(): void {
    throw readOnlyError('copyFrom');
  }

  override resize(): void {
    throw readOnlyError('resize');
  }
}

/** Refuses whatever would change the contents, as `read-only`. Closing it closes the device below. */
export function readOnlyDevice(below: BlockDevice): BlockDevice {
  return new ReadOnlyDevice(below);
}
