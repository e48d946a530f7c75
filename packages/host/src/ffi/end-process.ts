import { assert } from '@ashlar/core';
import { libc } from './libc.ts';

const exit: (status: number) => void = libc.func('void _exit(int status)');

/**
 * Ends the process at once, as SIGKILL does, but with a status (_exit(2)). `process.exit` waits for the threads of libuv's pool: one that is in the
 * middle of a commit of LMDB waits for a thread of JavaScript that has stopped, for ever.
 */
export function endProcess(status: number): never {
  exit(status);
  assert(false, 'nothing runs behind the end');
}
