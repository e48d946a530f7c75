import { assert } from '@ashlar/core';
import type { KoffiFunc } from 'koffi';
import { libc } from './libc.ts';
import { onPool } from './pool-calls.ts';

type RangeCall = (descriptor: number, offset: number, length: number, flags: number) => number;

const syncFileRange: KoffiFunc<RangeCall> = libc.func(
  'int sync_file_range(int fd, int64_t offset, int64_t length, unsigned int flags)',
);
const posixFadvise: KoffiFunc<RangeCall> = libc.func(
  'int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)',
);

const SYNC_FILE_RANGE_WRITE = 2;
const POSIX_FADV_WILLNEED = 3;
const POSIX_FADV_DONTNEED = 4;

/** Starts write-back of a range. On the thread pool, since it waits where the device's queue is full. 0, or minus errno. */
export function startWritebackOnPool(descriptor: number, offset: number, length: number): Promise<number> {
  assert(offset >= 0 && length >= 0, 'a range is not negative');
  return onPool(undefined, (done) => syncFileRange.async(descriptor, offset, length, SYNC_FILE_RANGE_WRITE, done));
}

/** Starts to read a range. On the thread pool, since it waits where the device's queue is full. 0, or an errno. */
export function readAheadOnPool(descriptor: number, offset: number, length: number): Promise<number> {
  assert(offset >= 0 && length >= 0, 'a range is not negative');
  return onPool(undefined, (done) => posixFadvise.async(descriptor, offset, length, POSIX_FADV_WILLNEED, done));
}

/** Drops a range's clean pages. */
export function dropPages(descriptor: number, offset: number, length: number): void {
  assert(offset >= 0 && length >= 0, 'a range is not negative');
  posixFadvise(descriptor, offset, length, POSIX_FADV_DONTNEED);
}
