import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { AshlarError, MiB, type RecordChange, type RecordStore } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { open, type RootDatabase } from 'lmdb';

/**
 * What the library reads lies in memory of its own until it reads again. It is copied into what Node cuts small buffers of: memory of its own for each record, as the library
 * takes, costs more than the rest of reading one. `end`: the library's memory says itself, in its `length`, how much of it was read.
 */
function copied(bytes: Uint8Array, start: number, end: number): Buffer {
  const own = Buffer.allocUnsafe(end - start);
  Buffer.prototype.copy.call(bytes, own, 0, start, end);
  return own;
}

const values = {
  encode: (value: Buffer): Buffer => value,
  decode: (bytes: Uint8Array) => copied(bytes, 0, bytes.length),
};

const keys = {
  writeKey(key: Uint8Array, into: Uint8Array, at: number): number {
    into.set(key, at);
    return at + key.length;
  },
  readKey: copied,
};

/** LMDB without a write map: a full disk is an error, never a signal. One that is only read must be there. */
export function openEnvironment(path: string, readOnly: boolean): RootDatabase<Buffer, Buffer> {
  return open<Buffer, Buffer>({
    path,
    readOnly,
    encoding: 'binary',
    encoder: values,
    keyEncoder: keys,
    compression: false,
    cache: false,
    useWritemap: false,
    overlappingSync: false,
    // Each commit is one transaction already. The batch of a turn would have a promise of its own, which nobody hears of when it fails.
    eventTurnBatching: false,
    noMemInit: false,
    maxReaders: 64,
    mapSize: 64 * 1024 ** 3,
  });
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

export function openLmdb(path: string, readOnly = false): RecordStore {
  const environment = openEnvironment(path, readOnly);
  return {
    get: (key) => environment.get(asBuffer(key)),
    scan(from, to, visit) {
      for (const { key, value } of environment.getRange({ start: asBuffer(from), end: asBuffer(to) })) {
        if (!visit(key, value)) return;
      }
    },
    async commit(changes) {
      try {
        await environment.transaction(() => {
          for (const { key, value } of changes) {
            if (value === null) void environment.remove(asBuffer(key));
            else void environment.put(asBuffer(key), asBuffer(value));
          }
        });
        await environment.flushed;
      } catch (error) {
        throw commitError(await reasonOf(error), path, changes);
      }
    },
    async copyTo(directory) {
      try {
        // As it lies, page by page: what is compacted is walked by the library, which damage may crash.
        await environment.backup(directory, false);
      } catch (error) {
        throw commitError(error, directory, []);
      }
    },
    close: () => environment.close(),
  };
}

/** A pool that is there has a database: without it nobody knows where anything is, and a new one would say that there is nothing. */
export function requireRecords(host: Host, path: string): void {
  if (host.stat(path) !== undefined) return;
  throw new AshlarError('corrupt', `${path} is missing: the pool has no maps`, { path });
}

/** A commit that failed says why by a promise of its own. */
async function reasonOf(error: unknown): Promise<unknown> {
  const reason = (error as { readonly commitError?: Promise<never> }).commitError;
  return reason === undefined ? error : reason.catch((why: unknown) => why);
}

const shortWrite = 5;

function commitError(error: unknown, path: string, changes: readonly RecordChange[]): AshlarError {
  const isFull = /ENOSPC|No space|MDB_MAP_FULL/i.test(String(error));
  // A write that ended in the middle since the disk is full is told as an I/O error.
  const isCut = (error as { readonly code?: unknown }).code === shortWrite && !hasRoom(path, changes);
  return new AshlarError(isFull || isCut ? 'no-space' : 'io', 'the pool could not write its records', { path }, error);
}

/** Whether the disk has more than changes can have needed. */
function hasRoom(path: string, changes: readonly RecordChange[]): boolean {
  const { bavail, bsize } = statfsSync(dirname(path));
  const bytes = changes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
  return bavail * bsize > 2 * bytes + MiB;
}
