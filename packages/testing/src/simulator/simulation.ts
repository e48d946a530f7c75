import { AshlarError, type Pool, type RecordStore, type Settled, type SnapshotId } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { SeededRandom } from '../seeded-random.ts';
import { Flights, Moments } from './flights.ts';
import type { Machine } from './machine.ts';
import { mostGrowth, profileOf, type Profile } from './profile.ts';
import { VolumeModel, type Found } from './volume-model.ts';
import { findSnapshots, type Finish, type Volume } from './volume.ts';
import { Workload } from './workload.ts';

/** Opens the pool on a simulated machine, making it if it is not there: the very code that runs in production. */
export type OpenPool = (machine: { readonly host: Host; readonly records: RecordStore }) => Promise<Pool>;

export type SimulationOptions = {
  readonly seed: number;
  readonly operations: number;
  readonly openPool: OpenPool;
  readonly machine: (random: SeededRandom) => Machine;
};

export type Outcome = {
  readonly seed: number;
  readonly operations: number;
  readonly crashes: number;
  /** What is wrong, in a sentence; nothing when all was well. */
  readonly problem: string | undefined;
  /** What was asked and answered, a line each. */
  readonly history: readonly string[];
};

/** Tasks of the machine after which an answer that has not come never will. */
const patience = 200_000;

const mostVolumes = 3;

/** Ends a simulation that found something. */
class Problem extends Error {}

class Simulation {
  readonly #random: SeededRandom;
  readonly #profile: Profile;
  readonly #machine: Machine;
  readonly #openPool: OpenPool;
  readonly #moments = new Moments();
  readonly #flights = new Flights(this.#moments);
  readonly #workload: Workload;
  readonly history: string[] = [];
  #pool: Pool | undefined;
  /** The volume, and what was cloned from it. */
  #volumes: Volume[] = [];
  #lossGeneration = 0;
  #found: string | undefined;
  crashes = 0;

  constructor(options: SimulationOptions) {
    this.#random = new SeededRandom(options.seed);
    this.#profile = profileOf(this.#random, options.operations, options.seed);
    this.#machine = options.machine(this.#random);
    this.#openPool = options.openPool;
    this.#workload = new Workload({
      random: this.#random,
      profile: this.#profile,
      flights: this.#flights,
      moments: this.#moments,
      mayFail: () => this.#machine.hasFailed,
      note: (line) => this.history.push(line),
      problem: (sentence) => {
        this.#found ??= sentence;
      },
    });
  }

  async run(): Promise<string | undefined> {
    try {
      await this.#make();
      for (let count = 0; count < this.#profile.operations; count += 1) await this.#next();
      await this.#quiet();
      if (!this.#workload.sawFailure) await this.#restartCleanly();
    } catch (error) {
      if (!(error instanceof Problem)) return this.#found ?? String((error as Error)?.stack ?? error);
      return error.message;
    }
    return undefined;
  }

  async #make(): Promise<void> {
    this.#note(JSON.stringify(this.#profile));
    this.#pool = await this.#finish('making the pool', () => this.#open());
    const pool = this.#present(this.#pool);
    const storeId = await this.#finish('createStore', () => pool.createStore());
    const store = await this.#finish('openStore', () => pool.openStore(storeId));
    const object = await this.#finish('create', () => store.create(this.#profile.sizeBytes, 'off'));
    await this.#finish('sync', () => store.sync());
    const model = new VolumeModel(this.#profile.sizeBytes);
    const isReserved = this.#profile.capacityBytes !== undefined;
    this.#volumes.push({
      storeId,
      object,
      model,
      store,
      snapshots: new Map(),
      pending: undefined,
      isReserved,
      origin: undefined,
    });
    await this.#bound(pool, true);
    this.#lossGeneration = store.lossGeneration;
    this.#machine.setRoom(this.#profile.roomBytes);
    this.#machine.setFailing(this.#profile.diskFails);
  }

  /** What a pool forgets when it is closed. */
  async #bound(pool: Pool, mustFit: boolean): Promise<void> {
    const { capacityBytes, sizeBytes } = this.#profile;
    if (capacityBytes === undefined) return;
    await this.#finish('setCapacity', () => pool.setCapacity(capacityBytes));
    for (const { storeId, isReserved } of this.#volumes) {
      if (isReserved) await this.#finish('reserve', () => pool.reserve(storeId, sizeBytes * mostGrowth, mustFit));
    }
  }

  async #next(): Promise<void> {
    const random = this.#random;
    const volume = this.#volumes.length > 1 ? random.pick(this.#volumes) : this.#present(this.#volumes[0]);
    if (random.oneIn(this.#profile.crashEach) || (this.#workload.sawFailure && random.oneIn(4))) {
      return await this.#crash();
    }
    if (random.oneIn(150) && !this.#workload.sawFailure) {
      await this.#quiet();
      if (!this.#workload.sawFailure) await this.#restartCleanly();
      return;
    }
    if (this.#workload.wantsToBeAlone()) {
      await this.#quiet();
      if (this.#workload.sawFailure) return;
      const { cloneEach, diskFails } = this.#profile;
      if (cloneEach > 0 && !diskFails && random.oneIn(cloneEach)) return await this.#changeVolumes();
      await this.#workload.issueAlone(volume, (operation) => this.#finish('a check', operation));
    } else if (volume.origin !== undefined && random.oneIn(12)) {
      const pool = this.#present(this.#pool);
      this.#workload.snapshots.flatten(volume, () => pool.flatten(volume.storeId));
    } else this.#workload.issue(volume, (snapshot) => this.#isOrigin(volume, snapshot));
    await this.#steps(random.below(this.#profile.stepsBetween + 1));
    while (this.#flights.count >= this.#profile.mostInFlight) await this.#step();
    this.#check();
  }

  async #crash(): Promise<void> {
    let powerLost = this.#loseProcess();
    for (;;) {
      const opened = this.#beginOpen();
      if (this.#random.oneIn(4) && !(await this.#opensWithin(opened, this.#random.below(200)))) {
        this.#note('… while it recovers');
        powerLost = this.#loseProcess() || powerLost;
        continue;
      }
      await this.#verify(await this.#finish('recovery', () => opened.promise), powerLost, false);
      this.#machine.setFailing(this.#profile.diskFails);
      return;
    }
  }

  /** Kills the process or the machine; true when the power was lost. */
  #loseProcess(): boolean {
    // A page cache that a failed sync went through is not to be trusted by the next process either.
    const powerLost = this.#machine.hasFailed || this.#random.below(10) < this.#profile.powerLossesIn10;
    this.#note(`${powerLost ? 'the power is lost' : 'the process is killed'} with [${this.#flights.names}] in flight`);
    this.crashes += 1;
    this.#flights.crash();
    this.#workload.crashed();
    this.#machine.setFailing(false);
    this.#machine.crash(powerLost);
    return powerLost;
  }

  #beginOpen(): { promise: Promise<Pool>; ended: boolean } {
    const opened = { promise: this.#open(), ended: false };
    const end = (): void => {
      opened.ended = true;
    };
    opened.promise.then(end, end);
    return opened;
  }

  async #opensWithin(opened: { readonly ended: boolean }, steps: number): Promise<boolean> {
    for (let count = 0; count < steps && !opened.ended; count += 1) await this.#machine.step();
    return opened.ended;
  }

  /** Closes the pool; then even a loss of power takes nothing. One that failed behind everybody's back says so now. */
  async #restartCleanly(): Promise<void> {
    this.#note('the pool is closed');
    this.#machine.setFailing(false);
    const pool = this.#present(this.#pool);
    const failed = (error: unknown): 'failed' => {
      if (!this.#machine.hasFailed) throw error;
      return 'failed';
    };
    const outcome = await this.#finish('close', () => pool.close().then(() => 'closed' as const, failed));
    if (outcome === 'failed') {
      this.#note('… and says that it has failed');
      return await this.#crash();
    }
    for (const { model } of this.#volumes) model.durable(this.#moments.next(), Infinity);
    const powerLost = this.#random.oneIn(2);
    this.#machine.crash(powerLost);
    await this.#verify(await this.#finish('opening again', () => this.#open()), powerLost, true);
    this.#machine.setFailing(this.#profile.diskFails);
  }

  /** Reads everything that recovery left and asks the model. */
  async #verify(pool: Pool, powerLost: boolean, clean: boolean): Promise<void> {
    this.#pool = pool;
    await this.#bound(pool, false);
    let lost = false;
    let lossGeneration = 0;
    for (const volume of this.#volumes) {
      volume.store = await this.#finish('openStore', () => pool.openStore(volume.storeId));
      lossGeneration = volume.store.lossGeneration;
      lost = (await this.#verifyVolume(volume, powerLost)) || lost;
    }
    const before = this.#lossGeneration;
    this.#lossGeneration = lossGeneration;
    if (lost && lossGeneration <= before) {
      throw new Problem(`something acknowledged was lost and the loss generation stayed ${before}`);
    }
    if ((!powerLost || clean) && lossGeneration !== before) {
      throw new Problem(`nothing was lost and the loss generation went from ${before} to ${lossGeneration}`);
    }
  }

  /** Gives whether something that was acknowledged is lost. */
  async #verifyVolume(volume: Volume, powerLost: boolean): Promise<boolean> {
    const isUnsure =
      volume.pending !== undefined || [...volume.snapshots.values()].some(({ isDropping }) => isDropping);
    const wrong = findSnapshots(volume);
    if (wrong !== undefined) throw new Problem(wrong);
    // What a killed process left of an operation that it never answered is not on the disk for certain.
    if (isUnsure && !powerLost) await this.#finish('sync', () => volume.store.sync());
    const found = await this.#readAll(volume);
    const { problem, lost } = volume.model.recover(found, this.#moments.next(), powerLost);
    if (problem !== undefined) throw new Problem(problem);
    this.#note(
      `recovered ${found.bytes.length} bytes, ${found.records.size} records and the snapshots ${[...volume.snapshots.keys()].join(' ')} of store ${volume.storeId}${lost ? '; some was lost' : ''}`,
    );
    for (const id of volume.snapshots.keys()) await this.#readSnapshot(volume, id);
    return lost;
  }

  async #readSnapshot(volume: Volume, id: SnapshotId): Promise<void> {
    const finish: Finish = (operation) => this.#finish(`reading snapshot ${id}`, operation);
    await this.#workload.snapshots.readAll(volume, id, finish);
    this.#check();
  }

  #isOrigin(volume: Volume, snapshot: SnapshotId): boolean {
    return this.#volumes.some(({ origin }) => origin?.volume === volume && origin.snapshot === snapshot);
  }

  /** Clones a volume, deletes one that has no clones, or rolls one back, with nothing in flight. */
  async #changeVolumes(): Promise<void> {
    for (const volume of this.#volumes) {
      const wrong = findSnapshots(volume);
      if (wrong !== undefined) throw new Problem(wrong);
    }
    const [kind, volume] = [this.#random.below(3), this.#random.pick(this.#volumes)];
    const newest = Math.max(-1, ...volume.snapshots.keys());
    if (kind === 2 && this.#volumes.length > 1 && !this.#volumes.some(({ origin }) => origin?.volume === volume)) {
      return await this.#deleteVolume(volume);
    }
    if (newest < 0) return;
    await this.#readSnapshot(volume, newest);
    if (kind === 1) return await this.#rollBack(volume, newest);
    if (this.#volumes.length < mostVolumes) await this.#clone(volume, this.#random.pick([...volume.snapshots.keys()]));
  }

  async #clone(volume: Volume, snapshot: SnapshotId): Promise<void> {
    const pool = this.#present(this.#pool);
    const { object } = volume;
    await this.#readSnapshot(volume, snapshot);
    const model = VolumeModel.of(this.#present(volume.snapshots.get(snapshot)).model);
    const storeId = await this.#finish('clone', () => pool.cloneStore(volume.storeId, snapshot));
    const store = await this.#finish('openStore', () => pool.openStore(storeId));
    this.#note(`store ${storeId} is a clone of snapshot ${snapshot} of store ${volume.storeId}`);
    const origin = { volume, snapshot };
    const isReserved = false;
    this.#volumes.push({ storeId, object, model, store, snapshots: new Map(), pending: undefined, isReserved, origin });
  }

  async #deleteVolume(volume: Volume): Promise<void> {
    const pool = this.#present(this.#pool);
    await this.#finish('close', () => volume.store.close());
    await this.#finish('deleteStore', () => pool.deleteStore(volume.storeId));
    this.#volumes = this.#volumes.filter((each) => each !== volume);
    this.#note(`store ${volume.storeId} is deleted`);
  }

  async #rollBack(volume: Volume, snapshot: SnapshotId): Promise<void> {
    const pool = this.#present(this.#pool);
    await this.#finish('close', () => volume.store.close());
    const event = this.#flights.event(`rollback to ${snapshot}`);
    await this.#finish('rollBack', () => pool.rollBack(volume.storeId, snapshot));
    event.settledAt = event.endedAt = this.#moments.next();
    event.durable = true;
    volume.model.becomes(event, this.#present(volume.snapshots.get(snapshot)).model);
    volume.model.durable(this.#moments.next(), Infinity);
    volume.store = await this.#finish('openStore', () => pool.openStore(volume.storeId));
    this.#note(`[${event.settledAt}] store ${volume.storeId} is what its snapshot ${snapshot} is`);
  }

  async #readAll({ store, object }: Volume): Promise<Found> {
    const bytes = new Uint8Array(store.sizeOf(object));
    for (let at = 0; at < bytes.length; at += 256 * 1024) {
      const part = bytes.subarray(at, at + 256 * 1024);
      await this.#finish(`reading back at ${at}`, () => store.read(object, at, part));
    }
    const records = await this.#finish('scanning the records', () =>
      store.scanRecords(new Uint8Array(0), Uint8Array.of(255, 255), 10_000),
    );
    const text = records.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()] as const);
    return { bytes, records: new Map(text) };
  }

  #open(): Promise<Pool> {
    return this.#openPool({ host: this.#machine.host, records: this.#machine.openRecords() });
  }

  /** Lets the machine run until an operation has settled; gives its value. */
  async #finish<T>(what: string, operation: () => Settled<T>): Promise<T> {
    let outcome: { value: T } | { error: unknown } | undefined;
    const event = this.#flights.event(what);
    this.#flights.start(
      event,
      operation,
      (value) => {
        outcome = { value };
      },
      (error) => {
        outcome = { error };
      },
    );
    for (let count = 0; outcome === undefined; count += 1) {
      if (count > patience) throw new Problem(`${what} was never answered`);
      await this.#step();
    }
    if ('value' in outcome) return outcome.value;
    const { error } = outcome;
    throw new Problem(
      `${what} failed: ${error instanceof AshlarError ? `${error.kind}: ` : ''}${(error as Error).stack}`,
    );
  }

  /** Lets the machine run until nothing is in flight. */
  async #quiet(): Promise<void> {
    for (let count = 0; this.#flights.count > 0; count += 1) {
      if (count > patience) throw new Problem(`${this.#flights.names}: never answered`);
      await this.#step();
    }
    this.#check();
  }

  async #steps(count: number): Promise<void> {
    for (let step = 0; step < count; step += 1) if (!(await this.#machine.step())) return;
  }

  async #step(): Promise<void> {
    if (await this.#machine.step()) return;
    if (this.#flights.count > 0)
      throw new Problem(`nothing happens any more, and ${this.#flights.names} wait for an answer`);
  }

  #check(): void {
    if (this.#found !== undefined) throw new Problem(this.#found);
  }

  #note(line: string): void {
    this.history.push(line);
  }

  #present<T>(value: T | undefined): T {
    if (value === undefined) throw new Problem('the pool is not open');
    return value;
  }
}

/** Runs one history from its seed. The same seed and code give the same history. */
export async function simulate(options: SimulationOptions): Promise<Outcome> {
  const simulation = new Simulation(options);
  const problem = await simulation.run();
  const { seed, operations } = options;
  return { seed, operations, crashes: simulation.crashes, problem, history: simulation.history };
}
