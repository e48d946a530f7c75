import { assert } from '@ashlar/core';
import type { KoffiFunc } from 'koffi';
import { libc } from './libc.ts';
import { onPool } from './pool-calls.ts';

type Fallocate = KoffiFunc<(descriptor: number, mode: number, offset: number, length: number) => number>;

const call: Fallocate = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');

const KEEP_SIZE = 1;

/** fallocate(2)'s modes as they are used: the size of the file changes by `reserve` only. */
export const fallocateMode = { reserve: 0, punch: 2 | KEEP_SIZE, zero: 16 | KEEP_SIZE } as const;

/** On the thread pool, since it may wait for the file system's journal: 0, or minus errno. */
export function fallocateOnPool(descriptor: number, mode: number, offset: number, length: number): Promise<number> {
  assert(offset >= 0 && length > 0, 'a range has a length');
  return onPool(undefined, (done) => call.async(descriptor, mode, offset, length, done));
}
