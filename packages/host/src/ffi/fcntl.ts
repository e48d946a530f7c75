import { assert } from '@ashlar/core';
import { lastErrno, libc } from './libc.ts';

const fcntl: (descriptor: number, command: number, lock: Uint8Array) => number = libc.func(
  'int fcntl(int fd, int command, void *lock)',
);

const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;

/** struct flock of 64-bit Linux: type u16, whence u16, 4 bytes free, start i64, length i64, pid i32, 4 bytes free. */
const lock = Buffer.alloc(32);

function fill(type: number, offset: number, length: number): void {
  assert(offset >= 0 && length > 0, 'a lock is of a range');
  lock.fill(0);
  lock.writeUInt16LE(type, 0);
  lock.writeBigInt64LE(BigInt(offset), 8);
  lock.writeBigInt64LE(BigInt(length), 16);
}

/** Locks a range for the open file description, shared with others who do, without waiting: 0, or minus errno (EAGAIN: one has it alone). */
export function lockRangeShared(descriptor: number, offset: number, length: number): number {
  fill(F_RDLCK, offset, length);
  return fcntl(descriptor, F_OFD_SETLK, lock) < 0 ? -lastErrno() : 0;
}

/** Whether another open file description, or process, has a lock within a range: 1, 0, or minus errno. */
export function hasLockOfOther(descriptor: number, offset: number, length: number): number {
  fill(F_WRLCK, offset, length);
  if (fcntl(descriptor, F_OFD_GETLK, lock) < 0) return -lastErrno();
  return lock.readUInt16LE(0) === F_UNLCK ? 0 : 1;
}
