import type { Clock, Extent, Random, Scheduler, Settled } from '@ashlar/core';

export type OpenOptions = {
  /** Default false: opening a missing file is `not-found`. */
  readonly create?: boolean;
  /**
   * With `create`: an existing one is `exists`. Of a block device: it is `busy` where somebody else has it so, or a file system is
   * mounted from it or from a partition of it, and is for nobody else until it is closed.
   */
  readonly exclusive?: boolean;
  readonly readOnly?: boolean;
  /**
   * Bypasses the page cache. Offsets, lengths and memory are then multiples of `HostFile.alignment`. Refused by the
   * file system: `unsupported` (the caller opens again without and says so in its status).
   */
  readonly direct?: boolean;
};

/**
 * An open file or block device with positioned I/O. Offsets and lengths are bytes. Errors are AshlarError: `no-space`,
 * `io`, `read-only`, `denied`, `out-of-range`, `unsupported`, with the path and operation in the context.
 */
export interface HostFile {
  readonly path: string;
  readonly isDevice: boolean;
  /** Bytes of a device's logical block; 512 of a file. */
  readonly sectorBytes: number;
  /** A device takes room back that `punch` names; else it only writes zeros there. Files always do, or write zeros. */
  readonly discards: boolean;
  /** What offsets, lengths and memory must be a multiple of: 1 unless `direct`. */
  readonly alignment: number;
  /** Whether all of this memory may be read into, and written from, without a copy: always, unless `direct`. */
  accepts(memory: Uint8Array): boolean;
  /** Bytes. */
  size(): number;
  /**
   * Reads until `into` is full or the file ends; gives the bytes read. Settles at once where the page cache has it
   * (preadv2 with RWF_NOWAIT), by a promise where the disk must be asked: it never blocks the thread on a disk.
   */
  read(offset: number, into: Uint8Array): Settled<number>;
  /** Blocks the thread; for start-up, recovery and the simulator's twin of it. */
  readSync(offset: number, into: Uint8Array): number;
  /** Writes all of it. Buffered: at once, into the page cache. Direct: a promise; what is asked for in one turn goes to the device together. */
  write(offset: number, from: Uint8Array): Settled<void>;
  /** Writes all of it off the thread: for much that nobody waits for. */
  writeOffThread(offset: number, from: Uint8Array): Promise<void>;
  /** Writes the parts one behind the other, in one system call where the system takes as many (IOV_MAX). */
  writeMany(offset: number, parts: readonly Uint8Array[]): Settled<void>;
  /**
   * Copies from another file of the same host without reading it into the process, and shares its room where the file system can (copy_file_range).
   * Gives the bytes copied, fewer where `source` ends. `unsupported` where that cannot be between these two.
   */
  copyFrom(source: HostFile, from: number, offset: number, length: number): Promise<number>;
  /** fdatasync, off the thread. After it failed nothing may be assumed of what was written since the last good one. */
  sync(): Promise<void>;
  /** Starts write-back of a range and does not wait (sync_file_range): a hint that smooths the next sync. */
  startWriteback(offset: number, length: number): void;
  /** Reserves room, contents unchanged or zeros (fallocate mode 0; grows the file). */
  allocate(offset: number, length: number): Settled<void>;
  /** Gives room back; reads as zeros (PUNCH_HOLE | KEEP_SIZE; discard on a device where it zeroes). */
  punch(offset: number, length: number): Settled<void>;
  /** Reads as zeros, room kept (ZERO_RANGE | KEEP_SIZE, else writes zeros). */
  zeroRange(offset: number, length: number): Settled<void>;
  /** SEEK_DATA and SEEK_HOLE: `data` or `hole`, sorted, whole range covered, at most `limit` (then shorter). */
  extents(offset: number, length: number, limit: number): readonly Extent[];
  truncate(sizeBytes: number): void;
  /** An advisory lock on the whole file (open file description); false when another holds it. Ends with `close`. */
  tryLock(exclusive: boolean): boolean;
  /** An advisory lock of a range, shared with others who take it (open file description); false when another has it alone. Ends with `close`. */
  lockRange(offset: number, length: number): boolean;
  /** Whether another open file has a lock within a range. */
  isRangeLocked(offset: number, length: number): boolean;
  /** A hint that the range will be read (POSIX_FADV_WILLNEED): settles when its reading has begun. The system takes little at once, some 128 KiB. */
  willNeed(offset: number, length: number): Promise<void>;
  /** Drops the range from the page cache where that is possible: for cold benchmarks and scrubs. */
  dropCache(offset: number, length: number): void;
  close(): void;
}

export type HostStat = {
  readonly kind: 'file' | 'directory' | 'device' | 'other';
  readonly sizeBytes: number;
  readonly allocatedBytes: number;
};

/** The files of a host. The real one and its simulated twin pass one contract suite. */
export interface Host {
  open(path: string, options: OpenOptions): HostFile;
  stat(path: string): HostStat | undefined;
  list(directory: string): readonly string[];
  makeDirectory(path: string): void;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Bytes an unprivileged writer can still use on the file system of `path`. */
  freeBytes(path: string): number;
  /** Changes with each start of the machine: tells a killed process from a lost machine. */
  bootId(): string;
  /** Memory aligned for `direct` files (4 KiB), with anything in it, outside the JS heap; in the processor's large pages from 2 MiB on. */
  alignedBuffer(length: number): Uint8Array;
  /** The same, from 2 MiB on, brought to be by another thread: the first touch of it then costs nothing. */
  populatedBuffer(length: number): Promise<Uint8Array>;
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
}
