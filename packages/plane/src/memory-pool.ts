import {
  AshlarError,
  mergeExtents,
  systemStore,
  type Extent,
  type ObjectStore,
  type Pool,
  type PoolStatus,
  type RecordChange,
  type Space,
  type StoreId,
} from '@ashlar/core';

const chunkBytes = 64 * 1024;

type SparseObject = { sizeBytes: number; readonly chunks: Map<number, Uint8Array> };

/** Objects and records in this process's memory: nothing survives it. */
class MemoryStore implements ObjectStore {
  readonly position = { epoch: 1, sequence: 0 };
  readonly lossGeneration = 0;
  readonly #objects = new Map<number, SparseObject>();
  readonly #records = new Map<string, Uint8Array>();
  #next = 1;

  create(sizeBytes: number): number {
    const object = this.#next++;
    this.#objects.set(object, { sizeBytes, chunks: new Map() });
    return object;
  }

  delete(object: number): void {
    this.#objects.delete(object);
  }

  sizeOf(object: number): number {
    return this.#object(object).sizeBytes;
  }

  read(object: number, offset: number, into: Uint8Array): void {
    const { chunks } = this.#object(object);
    for (const [chunk, start, at, count] of pieces(offset, into.length)) {
      const stored = chunks.get(chunk);
      if (stored === undefined) into.fill(0, at, at + count);
      else into.set(stored.subarray(start, start + count), at);
    }
  }

  write(object: number, offset: number, from: Uint8Array): void {
    const { chunks } = this.#object(object);
    for (const [chunk, start, at, count] of pieces(offset, from.length)) {
      let stored = chunks.get(chunk);
      if (stored === undefined) chunks.set(chunk, (stored = new Uint8Array(chunkBytes)));
      stored.set(from.subarray(at, at + count), start);
    }
  }

  trim(object: number, offset: number, length: number): void {
    const { chunks } = this.#object(object);
    for (const [chunk, start, , count] of pieces(offset, length)) {
      if (count === chunkBytes) chunks.delete(chunk);
      else chunks.get(chunk)?.fill(0, start, start + count);
    }
  }

  zero(object: number, offset: number, length: number): void {
    this.trim(object, offset, length);
  }

  extents(object: number, offset: number, length: number, limit: number): readonly Extent[] {
    const { chunks } = this.#object(object);
    const found = pieces(offset, length).map(([chunk, , at, count]): Extent => ({
      offset: offset + at,
      length: count,
      state: chunks.has(chunk) ? 'data' : 'hole',
    }));
    return mergeExtents(found).slice(0, limit);
  }

  truncate(object: number, sizeBytes: number): void {
    const found = this.#object(object);
    if (sizeBytes < found.sizeBytes) this.trim(object, sizeBytes, found.sizeBytes - sizeBytes);
    found.sizeBytes = sizeBytes;
  }

  prefetch(): void {
    // Everything is in memory.
  }

  commit(changes: readonly RecordChange[]): void {
    for (const { key, value } of changes) {
      if (value === null) this.#records.delete(Buffer.from(key).toString('latin1'));
      else this.#records.set(Buffer.from(key).toString('latin1'), value.slice());
    }
  }

  getRecord(key: Uint8Array): Uint8Array | undefined {
    return this.#records.get(Buffer.from(key).toString('latin1'));
  }

  scanRecords(from: Uint8Array, to: Uint8Array, limit: number): { key: Uint8Array; value: Uint8Array }[] {
    return [...this.#records]
      .map(([key, value]) => ({ key: Buffer.from(key, 'latin1'), value }))
      .filter(({ key }) => Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0)
      .toSorted((a, b) => Buffer.compare(a.key, b.key))
      .slice(0, limit);
  }

  sync(): void {
    // There is nothing to make durable.
  }

  spaceOf(object: number): Space {
    const { sizeBytes, chunks } = this.#object(object);
    const allocatedBytes = chunks.size * chunkBytes;
    return { virtualBytes: sizeBytes, allocatedBytes, exclusiveBytes: allocatedBytes, sharedBytes: 0 };
  }

  space(): Space {
    const all = [...this.#objects.keys()].map((object) => this.spaceOf(object));
    const virtualBytes = all.reduce((sum, each) => sum + each.virtualBytes, 0);
    const allocatedBytes = all.reduce((sum, each) => sum + each.allocatedBytes, 0);
    return { virtualBytes, allocatedBytes, exclusiveBytes: allocatedBytes, sharedBytes: 0 };
  }

  async close(): Promise<void> {
    // It stays for the next opener.
  }

  #object(object: number): SparseObject {
    const found = this.#objects.get(object);
    if (found === undefined) throw new AshlarError('not-found', `there is no object ${object}`);
    return found;
  }
}

/** [chunk, offset in it, offset in the range, bytes] of each chunk that a range touches. */
function pieces(offset: number, length: number): [number, number, number, number][] {
  const found: [number, number, number, number][] = [];
  for (let at = 0; at < length;) {
    const start = (offset + at) % chunkBytes;
    const count = Math.min(chunkBytes - start, length - at);
    found.push([(offset + at - start) / chunkBytes, start, at, count]);
    at += count;
  }
  return found;
}

/** A pool in this process's memory: for benchmarks of everything above a store. */
export function createMemoryPool(path: string): Pool {
  const stores = new Map<StoreId, MemoryStore>([[systemStore, new MemoryStore()]]);
  let next = 2;
  const status: PoolStatus = {
    state: 'ok',
    reason: 'everything is in memory and ends with the process',
    poolId: '00000000-0000-0000-0000-000000000000',
    path,
    chunkSizeBytes: chunkBytes,
    freeBytes: 0,
    allocatedBytes: 0,
    journalBytes: 0,
    overlayBytes: 0,
    cacheBytes: 0,
    lossGeneration: 0,
    checkpoints: 0,
    syncs: 0,
    corruptBlocks: 0,
    dataIo: 'buffered',
  };
  return {
    createStore: () => {
      stores.set(next, new MemoryStore());
      return next++;
    },
    openStore: (store) => {
      const found = stores.get(store);
      if (found === undefined) throw new AshlarError('not-found', `there is no store ${store}`);
      return found;
    },
    deleteStore: (store) => void stores.delete(store),
    listStores: () => [...stores.keys()],
    status: () => status,
    close: async () => undefined,
  };
}
