import { assert } from '@ashlar/core';
import type { KoffiFunc } from 'koffi';
import { IoVector } from './iovec.ts';
import { lastErrno, libc } from './libc.ts';
import { addressOf } from './memory.ts';
import { onPool } from './pool-calls.ts';

type Pread = KoffiFunc<(descriptor: number, start: number, length: number, offset: number) => number>;
type Preadv2 = (descriptor: number, vector: Uint8Array, parts: number, offset: number, flags: number) => number;

const pread: Pread = libc.func('long pread(int fd, uintptr_t start, size_t length, int64_t offset)');
const preadv2: Preadv2 = libc.func('long preadv2(int fd, const void *vector, int parts, int64_t offset, int flags)');

/** preadv2(2): nothing that would wait for a disk. */
const RWF_NOWAIT = 8;

const vector = new IoVector(1);

/** Reads `length` bytes into `into` at `start` from the page cache only: the count (0 at the end), or minus errno (EAGAIN: ask the disk). */
export function readCached(descriptor: number, into: Uint8Array, start: number, offset: number): number {
  assert(start < into.byteLength && offset >= 0, 'a read lies in its buffer');
  vector.clear();
  vector.add(addressOf(into) + start, into.byteLength - start);
  const count = preadv2(descriptor, vector.memory, 1, offset, RWF_NOWAIT);
  return count < 0 ? -lastErrno() : count;
}

/** Reads into `into` from `start` to its end, and waits for the disk: the count, or minus errno. */
export function readWaiting(descriptor: number, into: Uint8Array, start: number, offset: number): number {
  assert(start < into.byteLength && offset >= 0, 'a read lies in its buffer');
  const count = pread(descriptor, addressOf(into) + start, into.byteLength - start, offset);
  return count < 0 ? -lastErrno() : count;
}

/** As `readWaiting`, on the thread pool. */
export function readOnPool(descriptor: number, into: Uint8Array, start: number, offset: number): Promise<number> {
  assert(start < into.byteLength && offset >= 0, 'a read lies in its buffer');
  const where = addressOf(into) + start;
  const length = into.byteLength - start;
  return onPool(into, (done) => pread.async(descriptor, where, length, offset, done));
}
