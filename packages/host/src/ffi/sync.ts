import type { KoffiFunc } from 'koffi';
import { libc } from './libc.ts';
import { onPool } from './pool-calls.ts';

type Sync = KoffiFunc<(descriptor: number) => number>;

const fsync: Sync = libc.func('int fsync(int fd)');
const fdatasync: Sync = libc.func('int fdatasync(int fd)');
const syncfs: Sync = libc.func('int syncfs(int fd)');

const calls = { all: fsync, data: fdatasync, fileSystem: syncfs } as const;

/** On the thread pool: all of a file, what is needed to read its bytes, or all of the file system that it is on. 0, or minus errno. */
export const syncOnPool = (descriptor: number, what: keyof typeof calls): Promise<number> =>
  onPool(undefined, (done) => calls[what].async(descriptor, done));
