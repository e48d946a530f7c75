import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  statfsSync,
  unlinkSync,
  type Stats,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { AshlarError } from '@ashlar/core';
import { hugePageBytes, mapHuge, populate } from '../ffi/huge-memory.ts';
import { seekEnd } from '../ffi/lseek.ts';
import { allocateAligned } from '../ffi/memory.ts';
import type { Host, HostFile, HostStat, OpenOptions } from '../host.ts';
import { factsOf, usersOf } from './block-device.ts';
import { fromNode, systemCall } from './errors.ts';
import { directAlignment, RealFile } from './file.ts';
import { realClock, realRandom, realScheduler } from './seams.ts';

/** Only the owner: what is in a pool is its users' data. */
const fileMode = 0o600;
const directoryMode = 0o700;

const bytesEachStatBlock = 512;

let bootId: string | undefined;

function flagsOf({ create, exclusive, readOnly, direct }: OpenOptions): number {
  return (
    (readOnly ? constants.O_RDONLY : constants.O_RDWR) |
    (create ? constants.O_CREAT : 0) |
    (exclusive ? constants.O_EXCL : 0) |
    (direct ? constants.O_DIRECT : 0)
  );
}

function kindOf(stats: Stats): HostStat['kind'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isBlockDevice() ? 'device' : 'other';
}

/** A device's stat says 0 bytes: asking it needs an open one. What may not be opened stays 0. */
function deviceSize(path: string): number {
  try {
    const descriptor = openSync(path, constants.O_RDONLY);
    try {
      return Math.max(0, seekEnd(descriptor));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return 0;
  }
}

function openFile(path: string, options: OpenOptions): HostFile {
  let descriptor: number;
  try {
    descriptor = openSync(path, flagsOf(options), fileMode);
  } catch (error) {
    throw refusedOpen(error, path, options);
  }
  const stats = fstatSync(descriptor);
  const kind = kindOf(stats);
  if (kind !== 'file' && kind !== 'device') {
    closeSync(descriptor);
    const error = kind === 'directory' ? 'is-directory' : 'bad-type';
    throw new AshlarError(error, `cannot open ${path}: it is neither a file nor a block device`, { path });
  }
  const { readOnly = false, direct = false } = options;
  const device = kind === 'device' ? factsOf(stats.rdev) : undefined;
  return new RealFile({ path, descriptor, device, readOnly, direct });
}

function refusedOpen(error: unknown, path: string, { create, exclusive, direct }: OpenOptions): unknown {
  const failure = fromNode(error, 'open', path);
  if (!(failure instanceof AshlarError)) return failure;
  if (failure.kind === 'busy') return busyDevice(failure, path);
  if (!direct || failure.kind !== 'invalid') return failure;
  // The kernel finds out about O_DIRECT when it has made the file already: the caller's next try makes it again.
  if (create && exclusive) systemCall('unlink', path, () => unlinkSync(path));
  return new AshlarError('unsupported', `the file system of ${path} has no direct I/O`, { path }, error);
}

function busyDevice(failure: AshlarError, path: string): AshlarError {
  const stats = statSync(path, { throwIfNoEntry: false });
  const users = stats?.isBlockDevice() === true ? usersOf(stats.rdev) : [];
  const why = users.length === 0 ? 'another process has it for itself' : users.join(', ');
  return new AshlarError('busy', `${path} is in use: ${why}`, { path }, failure);
}

async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (error) {
    throw fromNode(error, 'sync', path);
  }
}

function statOf(path: string): HostStat | undefined {
  const stats = systemCall('stat', path, () => statSync(path, { throwIfNoEntry: false }));
  if (stats === undefined) return undefined;
  const kind = kindOf(stats);
  const sizeBytes = kind === 'device' ? deviceSize(path) : stats.size;
  return { kind, sizeBytes, allocatedBytes: stats.blocks * bytesEachStatBlock };
}

function alignedBuffer(length: number): Uint8Array {
  if (length < hugePageBytes) return allocateAligned(length, directAlignment);
  return mapHuge(Math.ceil(length / hugePageBytes) * hugePageBytes).subarray(0, length);
}

/** The files of this machine. Each thread makes its own. */
export function createRealHost(): Host {
  return {
    open: openFile,
    stat: statOf,
    list: (directory) => systemCall('list', directory, () => readdirSync(directory)),
    makeDirectory: (path) => void systemCall('make', path, () => mkdirSync(path, directoryMode)),
    rename: (from, to) => systemCall('rename', from, () => renameSync(from, to)),
    unlink: (path) => systemCall('unlink', path, () => unlinkSync(path)),
    syncDirectory,
    freeBytes: (path) => {
      const { bavail, bsize } = systemCall('measure', path, () => statfsSync(path));
      return bavail * bsize;
    },
    bootId: () => (bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    alignedBuffer,
    populatedBuffer: async (length) => {
      const memory = alignedBuffer(length);
      if (length >= hugePageBytes) await populate(memory);
      return memory;
    },
    clock: realClock,
    random: realRandom,
    scheduler: realScheduler,
  };
}
