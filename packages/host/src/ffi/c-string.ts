import { assert } from '@ashlar/core';

/** Longest name or path that the kernel takes (PATH_MAX), its zero counted. */
const mostBytes = 4096;
const scratch = [Buffer.alloc(mostBytes), Buffer.alloc(mostBytes)] as const;

/** Bytes with a zero behind them, in memory that the next call with the same `slot` takes again: for calls that are over when they return. */
export function cString(bytes: Uint8Array, slot: 0 | 1 = 0): Uint8Array {
  assert(bytes.length < mostBytes && !bytes.includes(0), 'a name fits, and has no zero in it');
  const memory = scratch[slot];
  memory.set(bytes);
  memory[bytes.length] = 0;
  return memory;
}

/** For calls that are about an open file alone (AT_EMPTY_PATH). */
export const emptyString: Uint8Array = Buffer.alloc(1);

/** What leads to the file of a descriptor, also where that was opened to be named alone (O_PATH). */
export const descriptorPath = (descriptor: number): Uint8Array => Buffer.from(`/proc/self/fd/${descriptor}`);

/** openat(2) and the others: `name` is of the working directory, or of `/`. */
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;
