import { assert } from '@ashlar/core';
import { lastErrno, libc } from './libc.ts';

const seek: (descriptor: number, offset: bigint, whence: number) => number = libc.func(
  'int64_t lseek(int fd, int64_t offset, int whence)',
);
const call: (descriptor: number, into: Uint8Array, size: number) => number = libc.func(
  'long getdents64(int fd, void *into, size_t size)',
);

/** An entry as getdents64(2) gives it; `position`: where what is behind it begins. */
export type ListedName = { readonly name: Buffer; readonly inode: bigint; readonly position: bigint };

const mostBytes = 64 * 1024;
/** Of an entry with a short name; of one with the longest. */
const usualBytes = 48;
const leastBytes = 1024;
const SEEK_SET = 0;
const nameAt = 19;
const into = Buffer.alloc(mostBytes);

/** Goes to a position of an open directory: 0, or minus errno. */
export const seekEntry = (descriptor: number, position: bigint): number =>
  seek(descriptor, position, SEEK_SET) < 0 ? -lastErrno() : 0;

/** Some of the next entries of an open directory, about `most`; none at its end. Or minus errno. */
export function nextEntries(descriptor: number, most: number): ListedName[] | number {
  assert(most > 0, 'some are wanted');
  const size = Math.min(mostBytes, Math.max(leastBytes, most * usualBytes));
  const length = call(descriptor, into, size);
  if (length < 0) return -lastErrno();
  const found: ListedName[] = [];
  for (let at = 0; at < length; at += into.readUInt16LE(at + 16)) {
    const end = into.indexOf(0, at + nameAt);
    found.push({
      name: Buffer.from(into.subarray(at + nameAt, end)),
      inode: into.readBigUInt64LE(at),
      position: into.readBigInt64LE(at + 8),
    });
  }
  return found;
}
