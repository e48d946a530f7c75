import { lastErrno, libc } from './libc.ts';

// fcntl takes a variable list; for this command its third argument is an int, which both Linux ABIs pass alike.
const fcntl: (descriptor: number, command: number, argument: number) => number = libc.func(
  'int fcntl(int fd, int command, int argument)',
);
const close: (descriptor: number) => number = libc.func('int close(int fd)');

const F_DUPFD_CLOEXEC = 1030;

/** A second descriptor of the same open file or socket: its number, or minus errno. */
export function duplicate(descriptor: number): number {
  const copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? -lastErrno() : copy;
}

export function closeDescriptor(descriptor: number): void {
  close(descriptor);
}
