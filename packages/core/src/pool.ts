import type { ObjectStore } from './object-store.ts';
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
  /** `direct` or `buffered` (rule 10 of the store: where O_DIRECT is refused it says so). */
  readonly dataIo: 'direct' | 'buffered';
};

/** A directory or device that keeps many ObjectStores. */
export interface Pool {
  createStore(): Settled<StoreId>;
  /** One opener at a time (`busy`). After `hold` (an unclean start that may have lost something) see `lossGeneration`. */
  openStore(store: StoreId): Settled<ObjectStore>;
  /** Not while it is open (`busy`). Space comes back in the background. */
  deleteStore(store: StoreId): Settled<void>;
  listStores(): Settled<readonly StoreId[]>;
  status(): Settled<PoolStatus>;
  /** Closes all stores, makes everything durable, records the clean shutdown, releases the lock. */
  close(): Promise<void>;
}
