import { lastErrno, libc } from './libc.ts';

const call: (descriptor: number, into: Uint8Array) => number = libc.func('int fstatfs(int fd, void *into)');

/** What fstatfs(2) says of a file system. */
export type FileSystemStat = {
  /** It lies in memory: reading never waits for a disk. */
  readonly isMemory: boolean;
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly availableBytes: number;
  readonly totalFiles: number;
  readonly freeFiles: number;
  readonly mostNameBytes: number;
};

const TMPFS_MAGIC = 0x01021994;

/** struct statfs of 64-bit Linux: 64-bit words. */
const into = new BigUint64Array(16);
const bytes = new Uint8Array(into.buffer);
const word = (at: number): number => Number(into[at]);

/** Of the file system of an open file, or minus errno. */
export function statFileSystem(descriptor: number): FileSystemStat | number {
  if (call(descriptor, bytes) < 0) return -lastErrno();
  const blockBytes = word(9) === 0 ? word(1) : word(9);
  return {
    isMemory: word(0) === TMPFS_MAGIC,
    totalBytes: word(2) * blockBytes,
    freeBytes: word(3) * blockBytes,
    availableBytes: word(4) * blockBytes,
    totalFiles: word(5),
    freeFiles: word(6),
    mostNameBytes: word(8),
  };
}
