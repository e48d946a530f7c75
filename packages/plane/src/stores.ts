import type { ObjectStore, Pool, StoreId } from '@ashlar/core';

/**
 * The volumes' stores that are open in this worker. A store is opened when somebody first needs it and stays open, for its
 * caches and since a pool opens each once; `close` closes it before it is removed.
 */
export class Stores {
  readonly #pool: Pool;
  readonly #open = new Map<StoreId, Promise<ObjectStore>>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  open(storeId: StoreId): Promise<ObjectStore> {
    const there = this.#open.get(storeId);
    if (there !== undefined) return there;
    const opening = Promise.try(() => this.#pool.openStore(storeId));
    this.#open.set(storeId, opening);
    opening.catch(() => this.#open.delete(storeId));
    return opening;
  }

  async close(storeId: StoreId): Promise<void> {
    const opening = this.#open.get(storeId);
    if (opening === undefined) return;
    const store = await opening.catch(() => undefined);
    await store?.close();
    this.#open.delete(storeId);
  }

  async closeAll(): Promise<void> {
    for (const storeId of this.#open.keys()) await this.close(storeId);
  }
}
