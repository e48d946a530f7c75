import { cString } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (from: number, fromName: Uint8Array, to: number, toName: Uint8Array) => number = libc.func(
  'int renameat(int from, const void *fromName, int to, const void *toName)',
);

/** 0, or minus errno. */
export const renameAt = (from: number, fromName: Uint8Array, to: number, toName: Uint8Array): number =>
  call(from, cString(fromName), to, cString(toName, 1)) < 0 ? -lastErrno() : 0;
