import { lastErrno, libc } from './libc.ts';

const flock: (descriptor: number, operation: number) => number = libc.func('int flock(int fd, int operation)');

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Locks the open file description without waiting: 0, or minus errno (EAGAIN: another description holds it). Two opens
 * of one process conflict as well, which POSIX record locks would not do.
 */
export function lockDescription(descriptor: number, exclusive: boolean): number {
  return flock(descriptor, LOCK_NB | (exclusive ? LOCK_EX : LOCK_SH)) < 0 ? -lastErrno() : 0;
}
