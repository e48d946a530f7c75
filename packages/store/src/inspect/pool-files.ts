import { AshlarError, type RecordStore } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { blockSize } from '../checksum.ts';
import type { Superblock } from '../format/superblock.ts';
import { readIdentity } from '../identity.ts';
import type { TreeRoot } from '../page-tree.ts';
import { emptyTree } from '../page-tree.ts';
import { getPacked, poolKey, type PoolRecord } from '../records/keys.ts';
import { openLmdb, requireRecords } from '../records/lmdb.ts';
import { Scratch } from '../scratch.ts';
import { PageReader } from './page-reader.ts';
import { SlotReader } from './slot-reader.ts';

/** Everything of a pool that nobody has open, to look at. */
export type PoolFiles = {
  readonly host: Host;
  readonly path: string;
  readonly superblock: Superblock;
  readonly blocksEach: number;
  readonly records: RecordStore;
  readonly pages: PageReader;
  readonly data: SlotReader;
  /** The pool's own record: nothing where it is missing or damaged. */
  readonly record: PoolRecord | undefined;
  readonly close: () => Promise<void>;
};

export type InspectOptions = {
  /** Opens the records' database at a path; LMDB unless a simulator brings its own. */
  readonly openRecords?: (path: string) => RecordStore;
  /** Nobody else has the pool meanwhile, and its records can be changed. */
  readonly isAlone?: boolean;
};

/**
 * Opens what a pool consists of and changes nothing: neither is the journal recovered nor anything made that is not there.
 * `busy` where a server has the pool: what is read beside it is of several moments, and so is nothing that ever was.
 */
export function openPoolFiles(host: Host, path: string, options: InspectOptions): PoolFiles {
  const lock = lockOf(host, path, options.isAlone ?? false);
  const opened: { close(): void | Promise<void> }[] = lock === undefined ? [] : [lock];
  const keep = <T extends { close(): void | Promise<void> }>(part: T): T => {
    opened.push(part);
    return part;
  };
  const close = async (): Promise<void> => {
    for (const part of opened.splice(0).reverse()) await part.close();
  };
  try {
    const superblock = readIdentity(host, path);
    const records = keep(recordsOf(host, `${path}/records`, options));
    const scratch = new Scratch(host);
    const pages = keep(new PageReader(host, `${path}/pages`, scratch));
    const data = keep(slotsOf(host, path, superblock, scratch));
    const blocksEach = superblock.chunkSizeBytes / blockSize;
    return { host, path, superblock, blocksEach, records, pages, data, record: recordOf(records), close };
  } catch (error) {
    void close();
    throw error;
  }
}

function slotsOf(host: Host, path: string, superblock: Superblock, scratch: Scratch): SlotReader {
  const { chunkSizeBytes, device, poolId } = superblock;
  return device === undefined
    ? SlotReader.ofFiles(host, `${path}/data`, chunkSizeBytes, scratch)
    : SlotReader.ofDevice(host, device, poolId, scratch);
}

/** Held together with others that only look, and with no server; or alone. */
function lockOf(host: Host, path: string, isAlone: boolean): HostFile | undefined {
  const name = `${path}/lock`;
  if (!isAlone && host.stat(name) === undefined) return undefined;
  const lock = host.open(name, isAlone ? { create: true } : { readOnly: true });
  if (lock.tryLock(isAlone)) return lock;
  lock.close();
  const message = isAlone
    ? `a server, or a check, uses the pool in ${path}: it is mended only when nobody else has it`
    : `a server uses the pool in ${path}: stop it first, since what it changes cannot be read`;
  throw new AshlarError('busy', message, { path });
}

function recordsOf(host: Host, path: string, { openRecords, isAlone = false }: InspectOptions): RecordStore {
  if (openRecords !== undefined) return openRecords(path);
  requireRecords(host, path);
  return openLmdb(path, !isAlone);
}

function recordOf(records: RecordStore): PoolRecord | undefined {
  try {
    return getPacked<PoolRecord>(records, poolKey);
  } catch (error) {
    if (error instanceof AshlarError && error.kind === 'corrupt') return undefined;
    throw error;
  }
}

/** The same with the pool's own record as it is now. */
export function withRecord(pool: PoolFiles): PoolFiles {
  return { ...pool, record: recordOf(pool.records) };
}

/** The table of the checksums of all slots. */
export function checksumRootOf({ record }: PoolFiles): TreeRoot {
  return record?.checksumRoot === undefined ? emptyTree : { ref: record.checksumRoot, levels: record.checksumLevels };
}
