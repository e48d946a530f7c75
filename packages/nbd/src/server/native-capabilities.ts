import type { BlockCapabilities } from '@ashlar/core';

/** For tests: a device that can by itself all that the protocol asks for. */
export const nativeCapabilities: BlockCapabilities = {
  flush: 'native',
  durable: 'native',
  trim: 'native',
  zero: 'native',
  fastZero: 'native',
  extents: 'native',
  prefetch: 'native',
  compareAndWrite: 'none',
  copyFrom: 'none',
  resize: 'none',
  multiConnection: 'native',
};
