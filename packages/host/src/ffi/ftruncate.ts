import { assert } from '@ashlar/core';
import { lastErrno, libc } from './libc.ts';

const call: (descriptor: number, size: number) => number = libc.func('int ftruncate(int fd, int64_t size)');

/** Cuts a file that is open to be written, or lets it grow: 0, or minus errno. */
export function cutOpen(descriptor: number, sizeBytes: number): number {
  assert(sizeBytes >= 0, 'a size is not negative');
  return call(descriptor, sizeBytes) < 0 ? -lastErrno() : 0;
}
