import {
  KiB,
  MiB,
  systemStore,
  type ObjectId,
  type ObjectReader,
  type Pool,
  type Random,
  type RecordStore,
  type SnapshotId,
  type StoreId,
} from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { blockSize, checksumOf } from '../checksum.ts';
import { runsOf, type Piece } from '../format/map-leaf.ts';
import { rootOf } from '../kept.ts';
import { recordLogIn } from '../records/kept-records.ts';
import { openPool } from '../pool.ts';
import { walkMap } from './map-rows.ts';
import { openPoolFiles, type PoolFiles } from './pool-files.ts';
import { PoolInspection } from './pool-inspection.ts';
import type { Named } from './record-check.ts';
import { statesOf } from './states.ts';
import { damagedBlocks, wholePacked } from './verify-blocks.ts';

/** How the last server ended: with everything home, or with writes in the journal. */
type Ending = 'closed' | 'killed';

/** Blocks, by where they are, and the checksum of each. */
export type Contents = Map<string, number>;

const chunkSizeBytes = 64 * KiB;
const objectBytes = 6 * MiB;

/** Records that stay open when whoever looks at them is done. */
function viewOf(records: RecordStore): RecordStore {
  return {
    get: (key) => records.get(key),
    scan: (from, to, visit) => records.scan(from, to, visit),
    commit: (changes) => records.commit(changes),
    close: () => Promise.resolve(),
  };
}

/** As the simulated machine. */
type Machine = {
  readonly host: Host;
  makeDurableDirectory(path: string): void;
  openRecords(): RecordStore;
  finish<T>(operation: T | Promise<T>): Promise<T>;
  crash(powerLost: boolean): void;
};

/** As chance from a seed. */
type Chance = Random & {
  oneIn(times: number): boolean;
  between(least: number, most: number): number;
  pick<T>(choices: readonly T[]): T;
};

/** A pool on a simulated machine: what is made of it twice is the same. */
export class SimulatedPool {
  readonly machine: Machine;
  readonly random: Chance;
  readonly #isCompressed: boolean;
  readonly #objects = new Map<StoreId, ObjectId[]>();
  /** Snapshots that there are clones of: `store@snapshot`. */
  readonly #cloned = new Set<string>();
  /** What somebody wants, as a catalogue says it. */
  named: Named;

  /** `isCompressed`: its stores are, and what is written can be. */
  constructor(machine: Machine, random: Chance, isCompressed = false) {
    this.machine = machine;
    this.random = random;
    this.#isCompressed = isCompressed;
    this.machine.makeDurableDirectory('/pool');
  }

  open(): Promise<Pool> {
    const { machine } = this;
    return machine.finish(
      openPool(machine.host, '/pool', {
        chunkSizeBytes,
        cacheBytes: 512 * KiB,
        mapCacheBytes: 256 * KiB,
        overlayBytes: 2 * MiB,
        journalBytes: 16 * MiB,
        deadLeavesAtOnce: 1,
        openRecords: () => machine.openRecords(),
      }),
    );
  }

  /** Looks into it while nobody has it open. */
  async inspect<T>(use: (inspection: PoolInspection) => Promise<T>, isAlone = false): Promise<T> {
    const records = viewOf(this.machine.openRecords());
    const inspection = PoolInspection.open(this.machine.host, '/pool', { openRecords: () => records, isAlone });
    try {
      return await this.machine.finish(use(inspection));
    } finally {
      await this.machine.finish(inspection.close());
    }
  }

  /** Volumes with snapshots, clones of them, objects and snapshots that are being deleted. */
  async fill(ending = this.random.pick<Ending>(['closed', 'killed'])): Promise<void> {
    const { machine, random } = this;
    const pool = await this.open();
    const [first, second] = [await machine.finish(pool.createStore()), await machine.finish(pool.createStore())];
    for (const store of [first, second]) {
      if (this.#isCompressed) await machine.finish(pool.setCompression(store, 'zstd'));
      await this.#change(pool, store, 3 + random.below(4));
    }
    const [snapshot] = await machine.finish(pool.snapshot([first], true));
    const clone = await machine.finish(pool.cloneStore(first, snapshot!));
    this.#cloned.add(`${first}@${snapshot}`);
    this.#objects.set(clone, [...this.#objectsOf(first)]);
    await this.#change(pool, clone, 2);
    if (random.oneIn(2)) {
      await machine.finish(pool.deleteStore(second));
      this.#objects.delete(second);
    } else await this.#change(pool, second, 2);
    this.named = await this.#wanted(pool);
    if (ending === 'closed') await machine.finish(pool.close());
    else machine.crash(false);
    this.#forgetLog();
  }

  /** Damage of records is mended by what else there is in the pool. */
  #forgetLog(): void {
    const { host } = this.machine;
    const directory = recordLogIn('/pool');
    for (const name of host.list(directory)) host.unlink(`${directory}/${name}`);
  }

  async #wanted(pool: Pool): Promise<Named> {
    const objects: { store: StoreId; object: ObjectId }[] = [];
    const snapshots: { store: StoreId; snapshot: SnapshotId }[] = [];
    for (const [store, found] of this.#objects) {
      objects.push(...found.map((object) => ({ store, object })));
      for (const { id } of await this.machine.finish(pool.snapshotsOf(store))) snapshots.push({ store, snapshot: id });
    }
    return { objects, snapshots };
  }

  #objectsOf(store: StoreId): ObjectId[] {
    const there = this.#objects.get(store) ?? [];
    this.#objects.set(store, there);
    return there;
  }

  /** Writes, trims, snapshots of a store, and deletions of some. */
  async #change(pool: Pool, id: StoreId, rounds: number): Promise<void> {
    const { machine, random } = this;
    const store = await machine.finish(pool.openStore(id));
    const objects = this.#objectsOf(id);
    if (objects.length === 0) objects.push(await machine.finish(store.create(objectBytes, 'off')));
    for (let round = 0; round < rounds; round += 1) {
      const object = random.pick(objects);
      for (let count = 0; count < 6; count += 1) {
        const length = random.oneIn(5) ? chunkSizeBytes : blockSize * random.between(1, 4);
        const offset = random.below((objectBytes - length) / blockSize) * blockSize;
        // One whose size was damaged is as large as it says.
        if (offset + length > store.sizeOf(object)) continue;
        const bytes = new Uint8Array(length);
        random.fill(bytes);
        if (this.#isCompressed) thin(bytes);
        if (random.oneIn(8)) await machine.finish(store.trim(object, offset, length, false));
        else await machine.finish(store.write(object, offset, bytes, random.oneIn(3)));
      }
      if (random.oneIn(3)) objects.push(await machine.finish(store.create(objectBytes, 'off')));
      if (random.oneIn(2)) await machine.finish(store.snapshot());
      const free = store.snapshots().filter((snapshot) => !this.#cloned.has(`${id}@${snapshot.id}`));
      if (free.length > 2) await machine.finish(store.deleteSnapshot(random.pick(free).id));
      if (objects.length > 1 && store.snapshots().length === 0) await machine.finish(store.delete(objects.pop()!));
    }
    await machine.finish(store.close());
  }

  /** Goes on with the pool as a server would, and closes it. */
  async use(): Promise<void> {
    const pool = await this.open();
    for (const id of await this.machine.finish(pool.listStores())) {
      if (id !== systemStore) await this.#change(pool, id, 2);
    }
    await this.machine.finish(pool.close());
  }

  /** The checksum of every block that clients can read, of objects and snapshots, by where it is. The pool is of no use to others afterwards. */
  async served(): Promise<Contents> {
    const { machine } = this;
    const found: Contents = new Map();
    const pool = await this.open().catch(() => undefined);
    if (pool === undefined) return found;
    for (const id of await machine.finish(pool.listStores())) {
      const store = await machine.finish(pool.openStore(id));
      for (const object of this.#objectsOf(id)) {
        await this.#readAll(store, `${id}/${object}`, object, found);
        for (const { id: snapshot } of store.snapshots()) {
          const view = store.openSnapshot(snapshot);
          await this.#readAll(view, `${id}/${object}@${snapshot}`, object, found);
        }
      }
    }
    machine.crash(false);
    return found;
  }

  /** Most of a badly damaged pool cannot be read, and to note each time where it failed takes longer than all the rest. */
  async #readAll(from: ObjectReader, name: string, object: ObjectId, found: Contents): Promise<void> {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    const bytes = new Uint8Array(chunkSizeBytes);
    const read = async (offset: number, into: Uint8Array): Promise<boolean> => {
      try {
        await this.machine.finish(from.read(object, offset, into));
        return true;
      } catch {
        return false;
      }
    };
    for (let offset = 0; offset < objectBytes; offset += chunkSizeBytes) {
      const isWhole = await read(offset, bytes);
      for (let at = 0; at < chunkSizeBytes; at += blockSize) {
        const block = bytes.subarray(at, at + blockSize);
        if (isWhole || (await read(offset + at, block))) found.set(`${name}:${offset + at}`, checksumOf(block));
      }
    }
    Error.stackTraceLimit = stackTraceLimit;
  }

  /** The checksum of every block that a committed map leads to and that verifies, by where it is. */
  async kept(): Promise<Contents> {
    const found: Contents = new Map();
    const records = viewOf(this.machine.openRecords());
    const files = openPoolFiles(this.machine.host, '/pool', { openRecords: () => records });
    const memory = new Uint8Array(chunkSizeBytes);
    const walk = async (): Promise<void> => {
      for (const { record, ...owner } of statesOf(files)) {
        await walkMap(files, rootOf(record), async (row) => {
          if (row.kind !== 'chunk') return;
          const name = `${owner.store}/${owner.object}@${owner.snapshot}:${row.chunk}`;
          for (const piece of row.entry.pieces) {
            await wholeBlocks(files, piece, memory, (block, bytes) => found.set(`${name}/${block}`, checksumOf(bytes)));
          }
        });
      }
    };
    await this.machine.finish(walk());
    await this.machine.finish(files.close());
    return found;
  }

  /** Every record of the database, and the checksum of every part of every file that has data. */
  snapshot(): Map<string, number> {
    const found = new Map<string, number>();
    const { host } = this.machine;
    this.machine.openRecords().scan(new Uint8Array(1), new Uint8Array(1700).fill(0xff), (key, value) => {
      found.set(`record ${Buffer.from(key).toString('hex')}`, checksumOf(value));
      return true;
    });
    for (const folder of ['/pool', '/pool/data', '/pool/journal']) {
      for (const name of host.list(folder).filter((each) => host.stat(`${folder}/${each}`)?.kind === 'file')) {
        const file = host.open(`${folder}/${name}`, { readOnly: true });
        const bytes = new Uint8Array(MiB);
        for (const { offset, length } of dataOf(file)) {
          for (let at = offset; at < offset + length; at += MiB) {
            const part = bytes.subarray(0, Math.min(MiB, offset + length - at));
            file.readSync(at, part);
            found.set(`${folder}/${name}:${at}`, checksumOf(part));
          }
        }
        file.close();
      }
    }
    return found;
  }
}

/** Leaves a quarter of each block as it is. */
function thin(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += blockSize) bytes.fill(bytes[at] ?? 0, at + blockSize / 4, at + blockSize);
}

/** Every block of a piece that verifies, compressed or not. */
async function wholeBlocks(
  files: PoolFiles,
  piece: Piece,
  memory: Uint8Array,
  met: (block: number, bytes: Uint8Array) => void,
): Promise<void> {
  const packed = piece.packed > 0 ? await wholePacked(files, piece, memory) : undefined;
  for (const run of runsOf(piece, files.blocksEach)) {
    const damaged = new Set(piece.packed > 0 ? [] : await damagedBlocks(files, run, memory));
    for (let block = run.block; block < run.block + run.blocks; block += 1) {
      const plain = memory.subarray((block - run.block) * blockSize).subarray(0, blockSize);
      const bytes = piece.packed > 0 ? packed?.blockAt(block) : plain;
      if (bytes !== undefined && !damaged.has(block)) met(block, bytes);
    }
  }
}

function dataOf(file: HostFile): readonly { readonly offset: number; readonly length: number }[] {
  return file.size() === 0 ? [] : file.extents(0, file.size(), 100_000).filter(({ state }) => state === 'data');
}
