import { assert } from '@ashlar/core';
import { lastErrno, libc } from './libc.ts';

const lseek: (descriptor: number, offset: number, whence: number) => number = libc.func(
  'int64_t lseek(int fd, int64_t offset, int whence)',
);

const SEEK_SET = 0;
const SEEK_END = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

function seek(descriptor: number, offset: number, whence: number): number {
  assert(offset >= 0, 'an offset is not negative');
  const found = lseek(descriptor, offset, whence);
  return found < 0 ? -lastErrno() : found;
}

/** Bytes of a file or of a block device (whose stat says 0), or minus errno. */
export const seekEnd = (descriptor: number): number => seek(descriptor, 0, SEEK_END);

/** Where the next data at or behind `offset` starts, or minus errno (ENXIO: there is none). */
export const seekData = (descriptor: number, offset: number): number => seek(descriptor, offset, SEEK_DATA);

/** Where the next hole at or behind `offset` starts (the end of the file is one), or minus errno. */
export const seekHole = (descriptor: number, offset: number): number => seek(descriptor, offset, SEEK_HOLE);

/** Goes to an offset, which a file of the file system may have or not: that, or minus errno (EINVAL: it may not). */
export const seekTo = (descriptor: number, offset: number): number => seek(descriptor, offset, SEEK_SET);
