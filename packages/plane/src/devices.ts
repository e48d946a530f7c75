import {
  createObjectDevice,
  createSnapshotDevice,
  deviceStats,
  readOnlyDevice,
  statsDevice,
  throttleDevice,
  type ThrottleDevice,
  type ThrottleLimits,
} from '@ashlar/block';
import {
  AshlarError,
  assert,
  type FairQueue,
  type BlockDevice,
  type Flow,
  type SnapshotId,
  type StoreId,
} from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { ContextOffer } from '@ashlar/nbd';
import { sourceKey, type DeviceFacts, type DeviceSource, type Grant } from './messages.ts';
import type { Stores } from './stores.ts';

/** Of one image, offered to clients. */
const mostBitmaps = 256;

/** One client's hold on a device. `release` once. */
export type Lease = {
  readonly device: BlockDevice;
  /** The device's share of this worker, of all its clients together. */
  readonly flow: Flow;
  /** The device is being taken away: its holder ends now. */
  readonly revoked: boolean;
  /** Nobody else holds it. */
  readonly isOnly: boolean;
  /** Settles when the device is closed, if it is closed with its last lease; fails where that fails. */
  release(): Promise<void>;
};

type Open = {
  readonly source: DeviceSource;
  readonly device: BlockDevice;
  readonly flow: Flow;
  readonly throttle: ThrottleDevice | undefined;
  /** Ends the connection of each client that holds it. */
  readonly holders: Set<() => void>;
  /** Told when the last holder lets go. */
  onIdle: (() => void) | undefined;
  /** Set when it is on its way out: who wants it then waits and opens it anew. */
  closed: Promise<void> | undefined;
};

/**
 * The devices that are open in this worker, each once however many clients hold it: the store's object (or the file)
 * below the throttle below the counters. A volume stays open for its caches when nobody holds it; a snapshot and a file are closed,
 * so that they can be removed or replaced.
 */
export class Devices {
  readonly #stores: Stores;
  readonly #host: Host;
  readonly #open = new Map<string, Promise<Open>>();
  readonly #fair: FairQueue;

  /** `fair`: what shares the thread and its disks between the volumes. */
  constructor(stores: Stores, host: Host, fair: FairQueue) {
    this.#stores = stores;
    this.#host = host;
    this.#fair = fair;
  }

  /** `revoke` is called when the device is taken away from its holders. */
  async acquire(grant: Grant, revoke: () => void): Promise<Lease> {
    let open = await this.#opened(grant);
    while (open.closed !== undefined) {
      await open.closed;
      open = await this.#opened(grant);
    }
    const { device, flow, holders } = open;
    const lease = {
      device: grant.readOnly && !device.readOnly ? readOnlyDevice(device) : device,
      flow,
      revoked: false,
      get isOnly() {
        return holders.size === 1;
      },
      release: () => this.#letGo(open, hold),
    };
    const hold = (): void => {
      lease.revoked = true;
      revoke();
    };
    holders.add(hold);
    return lease;
  }

  async describe(grant: Grant): Promise<DeviceFacts> {
    const lease = await this.acquire(grant, () => undefined);
    const { bitmaps, sizeBytes, blockSizes, capabilities, readOnly } = lease.device;
    // What is closed is so before anybody hears of it: another program may open the file at once.
    await lease.release();
    // As QEMU names them.
    const offers = (bitmaps?.names ?? []).slice(0, mostBitmaps).map((name): ContextOffer => ({
      name: `qemu:dirty-bitmap:${name}`,
      source: { kind: 'bitmap', name },
    }));
    return { sizeBytes, blockSizes, capabilities, readOnly, contexts: [...grant.contexts, ...offers] };
  }

  /** The same of what is to be offered from now on: fails as `checkMeant` too. */
  async describeNew(grant: Grant): Promise<DeviceFacts> {
    const facts = await this.describe(grant);
    if (grant.source.kind !== 'file') return facts;
    const { checkMeant } = await import('@ashlar/image');
    await checkMeant(this.#host, grant.source);
    return facts;
  }

  async setLimits(storeId: StoreId, limits: ThrottleLimits): Promise<void> {
    (await this.#find(storeId))?.throttle?.setLimits(limits);
  }

  /** Closes a volume's device. `busy` while it is held, unless `force` ends its connections. */
  async release(storeId: StoreId, force: boolean): Promise<void> {
    const open = await this.#find(storeId);
    if (open !== undefined) await this.#release(open, 'volume', force);
  }

  /** The same of a snapshot's. */
  async releaseSnapshot(storeId: StoreId, snapshotId: SnapshotId, force: boolean): Promise<void> {
    const open = await this.#find(storeId, snapshotId);
    if (open !== undefined) await this.#release(open, 'snapshot', force);
  }

  /** Ends all connections and closes everything. */
  async close(): Promise<void> {
    for (const opening of this.#open.values()) {
      const open = await opening.catch(() => undefined);
      if (open !== undefined) await this.#close(open);
    }
  }

  #opened(grant: Grant): Promise<Open> {
    const key = sourceKey(grant.source);
    const there = this.#open.get(key);
    if (there !== undefined) return there;
    const opening = this.#openSource(grant);
    this.#open.set(key, opening);
    opening.catch(() => this.#open.delete(key));
    return opening;
  }

  async #openSource({ source, stats }: Grant): Promise<Open> {
    const counters = deviceStats(stats);
    const { clock, scheduler } = this.#host;
    const common = {
      source,
      flow: this.#fair.flow(),
      holders: new Set<() => void>(),
      onIdle: undefined,
      closed: undefined,
    };
    if (source.kind === 'file') {
      // Of use to few servers, and more to load than the rest of a worker.
      const { openSource } = await import('@ashlar/image');
      const device = statsDevice(await openSource(this.#host, source, source.readOnly), clock, counters);
      return { ...common, device, throttle: undefined };
    }
    const store = await this.#stores.open(source.storeId);
    if (source.kind === 'snapshot') {
      const device = createSnapshotDevice(store.openSnapshot(source.snapshotId), source.objectId);
      return { ...common, device: statsDevice(device, clock, counters), throttle: undefined };
    }
    const object = createObjectDevice(store, source.objectId);
    const throttle = throttleDevice(object, { clock, scheduler, limits: source.limits });
    return { ...common, device: statsDevice(throttle, clock, counters), throttle };
  }

  /** The device of a volume, or of a snapshot of it. */
  async #find(storeId: StoreId, snapshotId?: SnapshotId): Promise<Open | undefined> {
    for (const opening of this.#open.values()) {
      const open = await opening.catch(() => undefined);
      if (open === undefined || open.source.kind === 'file' || open.source.storeId !== storeId) continue;
      const found = open.source.kind === 'snapshot' ? open.source.snapshotId : undefined;
      if (found === snapshotId) return open;
    }
    return undefined;
  }

  async #release(open: Open, what: 'volume' | 'snapshot', force: boolean): Promise<void> {
    const count = open.holders.size;
    if (count > 0 && !force) {
      throw new AshlarError(
        'busy',
        `${count === 1 ? 'a client is' : `${count} clients are`} attached to the ${what}: detach first, or say --force`,
      );
    }
    await this.#close(open);
  }

  async #letGo(open: Open, hold: () => void): Promise<void> {
    assert(open.holders.delete(hold), 'a lease is released once');
    if (open.holders.size > 0) return;
    open.onIdle?.();
    // A volume stays open for its caches; a snapshot that nobody reads may be removed, and a file replaced.
    if (open.source.kind !== 'volume' && open.closed === undefined) await this.#close(open);
  }

  #close(open: Open): Promise<void> {
    open.closed ??= this.#shut(open);
    return open.closed;
  }

  async #shut(open: Open): Promise<void> {
    if (open.holders.size > 0) {
      const idle = new Promise<void>((resolve) => {
        open.onIdle = resolve;
      });
      for (const revoke of open.holders) revoke();
      await idle;
    }
    try {
      await open.device.close();
    } finally {
      this.#open.delete(sourceKey(open.source));
    }
  }
}
