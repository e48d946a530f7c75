import { assert } from '@ashlar/core';
import { address } from 'koffi';

/** Where the memory of an ArrayBuffer starts; it never moves while the buffer lives. */
const starts = new WeakMap<ArrayBufferLike, number>();
let latestBuffer: ArrayBufferLike | undefined;
let latestStart = 0;

function startOf(bytes: Uint8Array): number {
  // Asking for `buffer` moves the bytes of a tiny array out of V8's heap, where the collector would move them.
  const { buffer } = bytes;
  if (buffer === latestBuffer) return latestStart;
  let start = starts.get(buffer);
  if (start === undefined) {
    start = Number(address(bytes)) - bytes.byteOffset;
    starts.set(buffer, start);
  }
  latestBuffer = buffer;
  latestStart = start;
  return start;
}

/**
 * The address of a buffer's first byte, for calls that take an offset into it (a view of it for each call would be
 * garbage). User space ends below 2^47, so a number is exact. The caller keeps `bytes` alive during the call.
 */
export function addressOf(bytes: Uint8Array): number {
  return startOf(bytes) + bytes.byteOffset;
}

/** Zeroed memory that starts at a multiple of `alignment` (a power of two). */
export function allocateAligned(length: number, alignment: number): Uint8Array {
  const roomy = new Uint8Array(new ArrayBuffer(length + alignment));
  const over = addressOf(roomy) % alignment;
  const aligned = roomy.subarray(over === 0 ? 0 : alignment - over).subarray(0, length);
  assert(addressOf(aligned) % alignment === 0, 'memory is aligned');
  return aligned;
}
