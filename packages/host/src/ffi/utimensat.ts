import { AT_EMPTY_PATH, emptyString } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (directory: number, name: Uint8Array, times: Uint8Array, flags: number) => number = libc.func(
  'int utimensat(int directory, const void *name, const void *times, int flags)',
);

type NewTime = 'keep' | 'now' | { readonly seconds: number; readonly nanoseconds: number };

const UTIME_NOW = 0x3fff_ffff;
const UTIME_OMIT = 0x3fff_fffe;

/** Two of struct timespec: 64-bit seconds and nanoseconds. */
const times = Buffer.alloc(32);

function put(at: number, time: NewTime): void {
  const given = typeof time === 'object';
  times.writeBigInt64LE(given ? BigInt(time.seconds) : 0n, at);
  times.writeBigInt64LE(BigInt(given ? time.nanoseconds : time === 'now' ? UTIME_NOW : UTIME_OMIT), at + 8);
}

/** Sets the times of an open file: 0, or minus errno. */
export function timeOpen(descriptor: number, accessed: NewTime, modified: NewTime): number {
  put(0, accessed);
  put(16, modified);
  return call(descriptor, emptyString, times, AT_EMPTY_PATH) < 0 ? -lastErrno() : 0;
}
