import { assert } from '@ashlar/core';
import type { KoffiFunc } from 'koffi';
import { libc } from './libc.ts';
import { addressOf } from './memory.ts';
import { onPool } from './pool-calls.ts';

type CopyFileRange = KoffiFunc<
  (from: number, fromOffset: number, to: number, toOffset: number, length: number, flags: number) => number
>;

const call: CopyFileRange = libc.func(
  'long copy_file_range(int from, uintptr_t fromOffset, int to, uintptr_t toOffset, size_t length, unsigned int flags)',
);

/** A part of a file: its descriptor, and where in it. */
export type FilePlace = { readonly descriptor: number; readonly offset: number };

/** Copies from one file to another within the kernel, on the thread pool: the count, which may be less (0: the source ends), or minus errno. */
export function copyRangeOnPool(from: FilePlace, to: FilePlace, length: number): Promise<number> {
  assert(from.offset >= 0 && to.offset >= 0 && length > 0, 'a range has a length');
  // The kernel writes where it came to into these.
  const offsets = new BigInt64Array([BigInt(from.offset), BigInt(to.offset)]);
  const start = addressOf(new Uint8Array(offsets.buffer));
  return onPool(offsets, (done) => call.async(from.descriptor, start, to.descriptor, start + 8, length, 0, done));
}
