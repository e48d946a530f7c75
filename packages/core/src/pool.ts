import type { Compression, ObjectId, ObjectStore, Snapshot, SnapshotId } from './object-store.ts';
import type { Settled } from './settle.ts';

/** Names one volume's ObjectStore in a pool; never repeats. Store 1 (`systemStore`) is there from the start and keeps the catalogue. */
export type StoreId = number;

export const systemStore: StoreId = 1;

export type PoolState = 'ok' | 'degraded' | 'no-space' | 'read-only' | 'failed';

/** Counters only grow from one open to the next close; sizes in bytes. */
export type PoolStatus = {
  readonly state: PoolState;
  /** One sentence where the state is not `ok`. */
  readonly reason: string | undefined;
  readonly poolId: string;
  readonly path: string;
  readonly chunkSizeBytes: number;
  /** What the file system or device can still give. */
  readonly freeBytes: number;
  readonly allocatedBytes: number;
  /** Most that data may take: as it was set, else what it takes and the file system can still give. */
  readonly capacityBytes: number;
  /** What data takes of that. */
  readonly usedBytes: number;
  /** What of the rest is kept for stores that room was reserved for. */
  readonly reservedBytes: number;
  /** What any store may still take. */
  readonly availableBytes: number;
  readonly journalBytes: number;
  readonly overlayBytes: number;
  readonly cacheBytes: number;
  readonly lossGeneration: number;
  /** The loss generation at which writes that had been promised (flushed, or durable) were lost last, nobody knows where; 0: never. */
  readonly promisedLossGeneration: number;
  readonly checkpoints: number;
  readonly syncs: number;
  /** Syncs of the journal that failed, and whose writes were made durable in another place. */
  readonly failedSyncs: number;
  readonly corruptBlocks: number;
  /** Records of the database that were not as they were written when they were all looked at last. */
  readonly damagedRecords: number;
  /** All of the database is in its log as well. */
  readonly hasRecordLog: boolean;
  /** What was wrong with the database, where this start made it anew of its log. */
  readonly madeAnew: string | undefined;
  /** The device that its data lies on; nothing where it lies in files. */
  readonly device: string | undefined;
  /** `direct` or `buffered` (rule 10 of the store: where O_DIRECT is refused it says so). */
  readonly dataIo: 'direct' | 'buffered';
};

/** Bytes that cannot be read as they were written. */
export type ScrubFinding = {
  readonly store: StoreId;
  readonly object: ObjectId;
  /** The newest of the snapshots that have it; nothing for the object as it is. */
  readonly snapshot: SnapshotId | undefined;
  readonly offset: number;
  readonly length: number;
};

export type ScrubState = 'never' | 'running' | 'paused' | 'stopped' | 'done' | 'failed';

/** What a walk over a copy of the records found. */
export type RecordsWalk = {
  readonly records: number;
  /** Those that are not as they were written; 1 at least where there is no getting to the end of them. */
  readonly damaged: number;
  /** One sentence where there was no getting to the end of them, or none could be looked at. */
  readonly reason: string | undefined;
};

/** The last scrub; it is on record, and one that a restart interrupts goes on from where it was. */
export type ScrubReport = {
  readonly state: ScrubState;
  /** One sentence where it failed. */
  readonly reason: string | undefined;
  /** Milliseconds since 1970, as all times here: when the pool was made; 0 where that is not known. */
  readonly sinceMs: number;
  readonly startedMs: number | undefined;
  readonly endedMs: number | undefined;
  /** When one ended last that had read everything. */
  readonly completedMs: number | undefined;
  /** Restarts that it went on behind. */
  readonly interruptions: number;
  /** How fast it reads at the most; nothing where only the disk and the volumes that are served hold it back. */
  readonly bytesPerSecond: number | undefined;
  readonly doneBytes: number;
  /** What the pool had in use when it began: more than is read where chunks are not full. */
  readonly totalBytes: number;
  /** The first thousand. */
  readonly findings: readonly ScrubFinding[];
  readonly damagedBytes: number;
  readonly damagedPages: number;
  /** Of the pool's database; nothing while they were not looked at. */
  readonly records: RecordsWalk | undefined;
};

/** Whether a scrub met anything that is not as it was written. */
export function foundDamage({
  damagedBytes,
  damagedPages,
  records,
}: Pick<ScrubReport, 'damagedBytes' | 'damagedPages'> & {
  readonly records?: Pick<RecordsWalk, 'damaged'> | undefined;
}): boolean {
  return damagedBytes + damagedPages + (records?.damaged ?? 0) > 0;
}

export type ScrubCommand = {
  readonly action: 'status' | 'start' | 'pause' | 'resume' | 'stop' | 'rate';
  /** How fast it reads at the most from now on; null for no bound. Without it as before, or with no bound where one starts. */
  readonly bytesPerSecond?: number | null;
};

/** How far a clone is a volume of its own. */
export type FlattenProgress = {
  /** It has no origin: it was none, or all is copied. */
  readonly isDone: boolean;
  /** Of the sizes of its objects. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Of what was copied since the start: what could not be read as it was written, and stays so. */
  readonly damagedBytes: number;
};

/** A directory or device that keeps many ObjectStores. */
export interface Pool {
  createStore(): Settled<StoreId>;
  /** One opener at a time (`busy`). After `hold` (an unclean start that may have lost something) see `lossGeneration`. */
  openStore(store: StoreId): Settled<ObjectStore>;
  /** Not while it is open (`busy`). Space comes back in the background. */
  deleteStore(store: StoreId): Settled<void>;
  /** Of a store, open or not, in the order in which they were taken. */
  snapshotsOf(store: StoreId): Settled<readonly Snapshot[]>;
  /**
   * A snapshot of each store, all of the same instant: nothing of any store lies between them. Durable when it settles, or where `durable` is not asked
   * for with whatever is made durable next in any store of the pool.
   */
  snapshot(stores: readonly StoreId[], durable: boolean): Settled<readonly SnapshotId[]>;
  /** A store with what the snapshot has, which stays as long as there are clones of it. Objects keep their numbers. */
  cloneStore(store: StoreId, snapshot: SnapshotId): Settled<StoreId>;
  /** Makes the store what its newest snapshot has. Not while it is open, or while it has newer ones (`busy`). */
  rollBack(store: StoreId, snapshot: SnapshotId): Settled<void>;
  /**
   * Copies some of what a clone has of its origin, open or not, until it is called again. When all is copied the store has no origin any more. `busy`
   * while it has snapshots; `no-space`: it stays a clone.
   */
  flatten(store: StoreId): Settled<FlattenProgress>;
  /**
   * Keeps room so that a store can have so many bytes of its own, whatever the others write; 0: none any more. Its own is what it shares
   * neither with a snapshot nor with what it was cloned from. Forgotten when the pool is closed. Fails with `no-space` where it does not
   * fit, unless `mustFit` is false: for one that stood before. While it stands a snapshot of the store fails with `no-space` where what
   * is reserved would not fit beside it.
   */
  reserve(store: StoreId, bytes: number, mustFit: boolean): Settled<void>;
  /** Most that data may take of the disk; nothing: what there is. What is there already stays. */
  setCapacity(bytes: number | undefined): Settled<void>;
  /** Whether what a store writes from now on is compressed, open or not; what it has stays as it is until it is written anew. Durable when it settles. */
  setCompression(store: StoreId, compression: Compression): Settled<void>;
  listStores(): Settled<readonly StoreId[]>;
  status(): Settled<PoolStatus>;
  /**
   * Reads everything that is home from the disk and verifies it, while it is served. `busy` for a start while one is under way, or a
   * pause of one that is paused; `not-found` where there is none to pause, resume, stop or slow down.
   */
  scrub(command: ScrubCommand): Settled<ScrubReport>;
  /** Closes all stores, makes everything durable, records the clean shutdown, releases the lock. */
  close(): Promise<void>;
}
