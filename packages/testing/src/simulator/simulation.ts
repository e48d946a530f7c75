import { AshlarError, type ObjectId, type ObjectStore, type Pool, type RecordStore, type Settled } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { SeededRandom } from '../seeded-random.ts';
import { Flights, Moments } from './flights.ts';
import type { Machine } from './machine.ts';
import { profileOf, type Profile } from './profile.ts';
import { VolumeModel, type Found } from './volume-model.ts';
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

/** Ends a simulation that found something. */
class Problem extends Error {}

class Simulation {
  readonly #random: SeededRandom;
  readonly #profile: Profile;
  readonly #machine: Machine;
  readonly #openPool: OpenPool;
  readonly #moments = new Moments();
  readonly #flights = new Flights(this.#moments);
  readonly #model: VolumeModel;
  readonly #workload: Workload;
  readonly history: string[] = [];
  #pool: Pool | undefined;
  #store: ObjectStore | undefined;
  #storeId = 0;
  #object: ObjectId = 0;
  #lossGeneration = 0;
  #found: string | undefined;
  crashes = 0;

  constructor(options: SimulationOptions) {
    this.#random = new SeededRandom(options.seed);
    this.#profile = profileOf(this.#random, options.operations);
    this.#machine = options.machine(this.#random);
    this.#openPool = options.openPool;
    this.#model = new VolumeModel(this.#profile.sizeBytes);
    this.#workload = new Workload({
      random: this.#random,
      profile: this.#profile,
      model: this.#model,
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
    this.#storeId = await this.#finish('createStore', () => this.#present(this.#pool).createStore());
    this.#store = await this.#finish('openStore', () => this.#present(this.#pool).openStore(this.#storeId));
    const store = this.#store;
    this.#object = await this.#finish('create', () => store.create(this.#profile.sizeBytes, 'off'));
    await this.#finish('sync', () => store.sync());
    this.#lossGeneration = store.lossGeneration;
    this.#machine.setRoom(this.#profile.roomBytes);
    this.#machine.setFailing(this.#profile.diskFails);
  }

  async #next(): Promise<void> {
    const random = this.#random;
    const store = this.#present(this.#store);
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
      await this.#workload.issueAlone(store, this.#object, (operation) => this.#finish('a check', operation));
    } else this.#workload.issue(store, this.#object);
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
    this.#model.durable(this.#moments.next(), Infinity);
    const powerLost = this.#random.oneIn(2);
    this.#machine.crash(powerLost);
    await this.#verify(await this.#finish('opening again', () => this.#open()), powerLost, true);
    this.#machine.setFailing(this.#profile.diskFails);
  }

  /** Reads everything that recovery left and asks the model. */
  async #verify(pool: Pool, powerLost: boolean, clean: boolean): Promise<void> {
    this.#pool = pool;
    const store = await this.#finish('openStore', () => pool.openStore(this.#storeId));
    this.#store = store;
    const found = await this.#readAll(store);
    const { problem, lost } = this.#model.recover(found, this.#moments.next(), powerLost);
    if (problem !== undefined) throw new Problem(problem);
    this.#note(
      `recovered ${found.bytes.length} bytes and ${found.records.size} records${lost ? '; some was lost' : ''}`,
    );
    const before = this.#lossGeneration;
    this.#lossGeneration = store.lossGeneration;
    if (lost && store.lossGeneration <= before) {
      throw new Problem(`something acknowledged was lost and the loss generation stayed ${before}`);
    }
    if ((!powerLost || clean) && store.lossGeneration !== before) {
      throw new Problem(`nothing was lost and the loss generation went from ${before} to ${store.lossGeneration}`);
    }
  }

  async #readAll(store: ObjectStore): Promise<Found> {
    const bytes = new Uint8Array(store.sizeOf(this.#object));
    for (let at = 0; at < bytes.length; at += 256 * 1024) {
      const part = bytes.subarray(at, at + 256 * 1024);
      await this.#finish(`reading back at ${at}`, () => store.read(this.#object, at, part));
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
