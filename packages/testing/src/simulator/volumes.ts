import { systemStore, type ObjectId, type Settled, type SnapshotId, type StoreId } from '@ashlar/core';
import type { SeededRandom } from '../seeded-random.ts';
import type { Moments } from './flights.ts';
import { mostGrowth, type Profile } from './profile.ts';
import type { SnapshotModel } from './snapshot-model.ts';
import type { SnapshotWorkload } from './snapshot-workload.ts';
import { Problem, type Stepper } from './stepper.ts';
import { findSnapshots, type SimulatedPool, type Volume } from './volume.ts';
import { VolumeModel } from './volume-model.ts';

const mostVolumes = 3;

/** The process ended before the operation was answered. What it left is known: the pool was recovered and looked at. */
export const ended = Symbol('ended');

/** Asks for an operation that nothing else is in flight with, and may end the process meanwhile. */
export type Attempt = <T>(what: string, operation: () => Settled<T>) => Promise<T | typeof ended>;

export type VolumesParts = {
  readonly random: SeededRandom;
  readonly profile: Profile;
  readonly moments: Moments;
  readonly stepper: Stepper;
  readonly snapshots: SnapshotWorkload;
  readonly attempt: Attempt;
  /** The pool that is open now. */
  readonly pool: () => SimulatedPool;
  readonly note: (line: string) => void;
};

/** What a clone will be, when it is there. */
type Expected = Pick<Volume, 'model' | 'object' | 'origin' | 'isReserved'>;

/** The volumes of the simulated pool: made, cloned, deleted and rolled back, and found again after a crash. */
export class Volumes {
  readonly #parts: VolumesParts;
  #list: Volume[] = [];
  /** A store that is being made: a clone, or one in which nothing is yet. */
  #making: Expected | 'new' | undefined;
  #highestStore = systemStore;

  constructor(parts: VolumesParts) {
    this.#parts = parts;
  }

  get all(): readonly Volume[] {
    return this.#list;
  }

  /** One of them. */
  pick(): Volume {
    return this.#parts.random.pick(this.#list);
  }

  /** Something was cloned from that snapshot. */
  isOrigin(volume: Volume, snapshot: SnapshotId): boolean {
    return this.#list.some(({ origin }) => origin?.volume === volume && origin.snapshot === snapshot);
  }

  /** The first one, in which nothing is yet. */
  begin(storeId: StoreId, store: Volume['store'], object: ObjectId, sizeBytes: number): void {
    const isReserved = this.#parts.profile.capacityBytes !== undefined;
    this.#add(storeId, store, { model: new VolumeModel(sizeBytes), object, origin: undefined, isReserved });
  }

  /** Says again what a pool forgets when it is closed. `mustFit`: there is nothing in it yet. */
  async bound(mustFit: boolean): Promise<void> {
    const { profile, stepper, pool } = this.#parts;
    const { capacityBytes, sizeBytes } = profile;
    if (capacityBytes === undefined) return;
    await stepper.finish('setCapacity', () => pool().setCapacity(capacityBytes));
    for (const { storeId, isReserved } of this.#list) {
      if (isReserved) await stepper.finish('reserve', () => pool().reserve(storeId, sizeBytes * mostGrowth, mustFit));
    }
  }

  /** Makes a volume in which nothing is yet. */
  async #make(sizeBytes: number): Promise<void> {
    const { attempt, stepper, pool, note } = this.#parts;
    this.#making = 'new';
    const storeId = await attempt('createStore', () => pool().createStore());
    if (storeId === ended) return;
    const store = await stepper.finish('openStore', () => pool().openStore(storeId));
    const object = await attempt('create', () => store.create(sizeBytes, 'off'));
    if (object === ended) return;
    this.#making = undefined;
    note(`store ${storeId} has a volume of ${sizeBytes} bytes`);
    this.#add(storeId, store, { model: new VolumeModel(sizeBytes), object, origin: undefined, isReserved: false });
  }

  /** Makes, clones, deletes or rolls back a volume, with nothing in flight. */
  async change(): Promise<void> {
    const { random, profile } = this.#parts;
    this.#find();
    const volume = this.pick();
    const snapshots = [...volume.snapshots.keys()];
    const kind = random.below(4);
    const isFree = !this.#list.some(({ origin }) => origin?.volume === volume);
    if (kind === 0 && isFree && this.#list.length > 1) return await this.#delete(volume);
    if (kind === 1 && snapshots.length > 0) return await this.#rollBack(volume, Math.max(...snapshots));
    if (this.#list.length >= mostVolumes) return;
    if (kind === 2 && snapshots.length > 0) return await this.#clone(volume, random.pick(snapshots));
    const { roomBytes, capacityBytes } = profile;
    if (roomBytes === undefined && capacityBytes === undefined)
      await this.#make(Math.ceil(profile.sizeBytes / random.pick([1, 4, 16])));
  }

  /** After a recovery: finds out what became of what was under way, and opens all stores. */
  async reopen(): Promise<void> {
    const { stepper, pool, note } = this.#parts;
    const there = await stepper.finish('listStores', () => pool().listStores());
    this.#list = this.#list.filter((volume) => {
      if (there.includes(volume.storeId)) return true;
      if (volume.change !== 'deletion') throw new Problem(`store ${volume.storeId} is lost`);
      note(`store ${volume.storeId} was deleted`);
      return false;
    });
    for (const volume of this.#list) {
      volume.store = await stepper.finish('openStore', () => pool().openStore(volume.storeId));
      if (volume.change === 'deletion') volume.change = undefined;
    }
    await this.bound(false);
    const known = this.#list.map(({ storeId }) => storeId);
    const [more, ...tooMany] = there.filter((id) => id !== systemStore && !known.includes(id));
    const making = this.#making;
    this.#making = undefined;
    if (more !== undefined) await this.#adopt([more, ...tooMany], making);
    this.#find();
  }

  /** A volume shows this after a recovery: whether it went back to the snapshot that it was on its way to. */
  wentBack(volume: Volume, bytes: Uint8Array): void {
    const { change } = volume;
    if (typeof change !== 'number') return;
    volume.change = undefined;
    const model = modelOf(volume, change);
    if (bytes.length === model.sizeBytes && model.saw(0, bytes) === undefined) this.#became(volume, change);
  }

  async #adopt(stores: readonly StoreId[], making: Expected | 'new' | undefined): Promise<void> {
    const { stepper, pool, note } = this.#parts;
    const [storeId] = stores;
    if (storeId === undefined || making === undefined || stores.length > 1 || storeId <= this.#highestStore) {
      throw new Problem(`the pool has stores that nobody made, or that were deleted: ${stores.join(', ')}`);
    }
    if (making === 'new') {
      this.#highestStore = storeId;
      await stepper.finish('deleteStore', () => pool().deleteStore(storeId));
      return;
    }
    note(`store ${storeId} was made`);
    this.#add(storeId, await stepper.finish('openStore', () => pool().openStore(storeId)), making);
  }

  #add(storeId: StoreId, store: Volume['store'], expected: Expected): void {
    if (storeId <= this.#highestStore) throw new Problem(`the number of store ${storeId} was there before`);
    this.#highestStore = storeId;
    const more = { snapshots: new Map(), pending: undefined, change: undefined };
    this.#list.push({ storeId, store, ...expected, ...more });
  }

  async #clone(volume: Volume, snapshot: SnapshotId): Promise<void> {
    const { attempt, stepper, pool, note } = this.#parts;
    const { object, storeId: from } = volume;
    const model = VolumeModel.of(await this.#known(volume, snapshot));
    const expected = { model, object, origin: { volume, snapshot }, isReserved: false };
    this.#making = expected;
    note(`a clone of snapshot ${snapshot} of store ${from}`);
    const storeId = await attempt('cloneStore', () => pool().cloneStore(from, snapshot));
    if (storeId === ended) return;
    this.#making = undefined;
    note(`store ${storeId} is that clone`);
    this.#add(storeId, await stepper.finish('openStore', () => pool().openStore(storeId)), expected);
  }

  async #delete(volume: Volume): Promise<void> {
    const { attempt, pool, note } = this.#parts;
    const { storeId } = volume;
    await this.#close(volume);
    volume.change = 'deletion';
    note(`the deletion of store ${storeId}`);
    if ((await attempt('deleteStore', () => pool().deleteStore(storeId))) === ended) return;
    this.#list = this.#list.filter((each) => each !== volume);
    note(`store ${storeId} is deleted`);
  }

  async #rollBack(volume: Volume, snapshot: SnapshotId): Promise<void> {
    const { attempt, stepper, pool, note } = this.#parts;
    const { storeId } = volume;
    await this.#known(volume, snapshot);
    await this.#close(volume);
    volume.change = snapshot;
    note(`a rollback of store ${storeId} to snapshot ${snapshot}`);
    if ((await attempt('rollBack', () => pool().rollBack(storeId, snapshot))) === ended) return;
    volume.change = undefined;
    this.#became(volume, snapshot);
    volume.store = await stepper.finish('openStore', () => pool().openStore(storeId));
    note(`store ${storeId} is what its snapshot ${snapshot} is`);
  }

  #became(volume: Volume, snapshot: SnapshotId): void {
    const { moments } = this.#parts;
    const at = moments.next();
    const event = { name: `rollback to ${snapshot}`, calledAt: at, endedAt: at, settledAt: at, durable: true };
    volume.model.becomes(event, modelOf(volume, snapshot));
    volume.model.durable(moments.next(), Infinity);
  }

  /** What a snapshot has, of which all is read first. */
  async #known(volume: Volume, snapshot: SnapshotId): Promise<SnapshotModel> {
    const { stepper, snapshots } = this.#parts;
    await snapshots.readAll(volume, snapshot, stepper);
    return modelOf(volume, snapshot);
  }

  /** It is closed, and so everything of it is durable. */
  async #close(volume: Volume): Promise<void> {
    const { stepper, moments } = this.#parts;
    await stepper.finish('close', () => volume.store.close());
    volume.model.durable(moments.next(), Infinity);
  }

  #find(): void {
    const wrong = findSnapshots(this.#list);
    if (wrong !== undefined) throw new Problem(wrong);
  }
}

function modelOf({ snapshots, storeId }: Volume, snapshot: SnapshotId): SnapshotModel {
  const known = snapshots.get(snapshot);
  if (known === undefined) throw new Problem(`snapshot ${snapshot} of store ${storeId} is lost`);
  return known.model;
}
