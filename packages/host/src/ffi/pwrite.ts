import { assert } from '@ashlar/core';
import type { KoffiFunc } from 'koffi';
import type { IoVector } from './iovec.ts';
import { lastErrno, libc } from './libc.ts';
import { addressOf } from './memory.ts';
import { onPool } from './pool-calls.ts';

type Pwrite = KoffiFunc<(descriptor: number, start: number, length: number, offset: number) => number>;
type Pwritev = KoffiFunc<(descriptor: number, vector: Uint8Array, parts: number, offset: number) => number>;

const pwrite: Pwrite = libc.func('long pwrite(int fd, uintptr_t start, size_t length, int64_t offset)');
const pwritev: Pwritev = libc.func('long pwritev(int fd, const void *vector, int parts, int64_t offset)');

/** Writes `from` from `start` to its end: the count, which may be less, or minus errno. */
export function writeAt(descriptor: number, from: Uint8Array, start: number, offset: number): number {
  assert(start < from.byteLength && offset >= 0, 'a write lies in its buffer');
  const count = pwrite(descriptor, addressOf(from) + start, from.byteLength - start, offset);
  return count < 0 ? -lastErrno() : count;
}

/** As `writeAt`, on the thread pool. */
export function writeOnPool(descriptor: number, from: Uint8Array, start: number, offset: number): Promise<number> {
  assert(start < from.byteLength && offset >= 0, 'a write lies in its buffer');
  const where = addressOf(from) + start;
  const length = from.byteLength - start;
  return onPool(from, (done) => pwrite.async(descriptor, where, length, offset, done));
}

/** Writes the parts of the vector, which the caller keeps alive: the count, or minus errno. */
export function writeVector(descriptor: number, vector: IoVector, offset: number): number {
  assert(vector.count > 0 && offset >= 0, 'a vector has a part');
  const count = pwritev(descriptor, vector.memory, vector.count, offset);
  return count < 0 ? -lastErrno() : count;
}

/** As `writeVector`, on the thread pool; `parts` is the memory that the vector points to. */
export function writeVectorOnPool(
  descriptor: number,
  vector: IoVector,
  parts: readonly Uint8Array[],
  offset: number,
): Promise<number> {
  assert(vector.count > 0 && offset >= 0, 'a vector has a part');
  const { memory, count } = vector;
  return onPool([memory, parts], (done) => pwritev.async(descriptor, memory, count, offset, done));
}
