import { AT_EMPTY_PATH, emptyString } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

// The library's own function may ask for less than the system call does, and look at the mode by itself.
const call: (number: number, descriptor: number, name: Uint8Array, mode: number, flags: number) => number = libc.func(
  'long syscall(long number, int descriptor, const void *name, int mode, int flags)',
);

/** The same on x86-64 and arm64. */
const SYS_faccessat2 = 439;
const AT_EACCESS = 0x200;

/** Bits of what is asked for (unistd.h). */
export const accessMode = { read: 4, write: 2, execute: 1 } as const;

/** Whether whoever this thread is for files (fsuid) may do all of it with an open file: 0, or minus errno. */
export const accessOpen = (descriptor: number, mode: number): number =>
  call(SYS_faccessat2, descriptor, emptyString, mode, AT_EMPTY_PATH | AT_EACCESS) < 0 ? -lastErrno() : 0;
