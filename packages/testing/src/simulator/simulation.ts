import type { Settled } from '@ashlar/core';
import { SeededRandom } from '../seeded-random.ts';
import { Decay } from './decay.ts';
import { Flights, Moments } from './flights.ts';
import type { Failing, Machine } from './machine.ts';
import { profileOf, type Profile } from './profile.ts';
import { devicePath, restingOn, type RestingPool, type Rot } from './rot.ts';
import { Problem, Stepper } from './stepper.ts';
import { Verifier } from './verifier.ts';
import type { SimulatedPool } from './volume.ts';
import { ended, Volumes } from './volumes.ts';
import { Workload } from './workload.ts';

/** Opens the pool on a simulated machine, making it if it is not there: the very code that runs in production. */
export type OpenPool = (machine: RestingPool) => Promise<SimulatedPool>;

export type SimulationOptions = {
  readonly seed: number;
  /** Numbers of the operations, from 1 on: what each does by chance comes from the seed and its number, so that any of them may be left out. */
  readonly operations: readonly number[];
  readonly openPool: OpenPool;
  /** Lets the disk rot at the end of some histories. */
  readonly rot: Rot;
  /** What a crash leaves is looked at as it is: the database is not damaged then. */
  readonly sparesRecords?: boolean;
  /** Makes the machine; what it does by chance is set anew before each operation. */
  readonly machine: () => Machine;
};

export type Outcome = {
  readonly crashes: number;
  /** What is wrong, in a sentence; nothing when all was well. */
  readonly problem: string | undefined;
  /** The operations up to the one at which it was seen. */
  readonly done: readonly number[];
  /** What was asked and answered, a line each. */
  readonly history: readonly string[];
};

/** What the numbers of operations leave free. */
const making = 0;
const theEnd = 2 ** 20 - 1;

class Simulation {
  readonly #seed: number;
  readonly #operations: readonly number[];
  readonly #random: SeededRandom;
  readonly #profile: Profile;
  readonly #sparesRecords: boolean;
  readonly #machine: Machine;
  readonly #openPool: OpenPool;
  readonly #rot: Rot;
  readonly #moments = new Moments();
  readonly #flights = new Flights(this.#moments);
  readonly #stepper: Stepper;
  readonly #workload: Workload;
  readonly #volumes: Volumes;
  readonly #verifier: Verifier;
  readonly #history: string[] = [];
  readonly #done: number[] = [];
  #pool: SimulatedPool | undefined;
  #found: string | undefined;
  #isDamaged = false;
  #crashes = 0;

  constructor({ seed, operations, machine, openPool, rot, sparesRecords = false }: SimulationOptions) {
    this.#seed = seed;
    this.#rot = rot;
    this.#operations = operations;
    this.#sparesRecords = sparesRecords;
    this.#random = new SeededRandom(seed);
    this.#profile = profileOf(this.#random, seed);
    this.#machine = machine();
    this.#openPool = openPool;
    this.#stepper = new Stepper(this.#machine, this.#flights);
    const [random, profile, flights, moments, stepper] = [
      this.#random,
      this.#profile,
      this.#flights,
      this.#moments,
      this.#stepper,
    ];
    const note = (line: string): void => void this.#history.push(line);
    const problem = (sentence: string): void => void (this.#found ??= sentence);
    const mayFail = (): boolean => this.#machine.hasFailed || this.#isDamaged;
    const pool = (): SimulatedPool => this.#opened();
    const attempt = <T>(what: string, operation: () => Settled<T>): Promise<T | typeof ended> =>
      this.#attempt(what, operation);
    this.#workload = new Workload({ random, profile, flights, moments, mayFail, note, problem });
    const { snapshots } = this.#workload;
    this.#volumes = new Volumes({ random, profile, moments, stepper, snapshots, attempt, pool, note });
    this.#verifier = new Verifier({ moments, stepper, snapshots, volumes: this.#volumes, pool, note });
  }

  async run(): Promise<Outcome> {
    let problem: string | undefined;
    try {
      await this.#tell();
    } catch (error) {
      problem = this.#found ?? (error instanceof Problem ? error.message : String((error as Error)?.stack ?? error));
    }
    return { crashes: this.#crashes, problem, done: this.#done, history: this.#history };
  }

  async #tell(): Promise<void> {
    this.#begin(making);
    await this.#make();
    for (const operation of this.#operations) {
      this.#begin(operation);
      this.#done.push(operation);
      await this.#next();
    }
    this.#begin(theEnd);
    if (this.#profile.rots) await this.#decay();
    else {
      await this.#quiet();
      if (!this.#workload.sawFailure) await this.#restartCleanly();
    }
    this.#check();
  }

  /** The process ends, and the disk is not what it was. */
  async #decay(): Promise<void> {
    const clean = this.#random.oneIn(2);
    let powerLost: boolean;
    if (clean) {
      await this.#quiet();
      const closed = this.#workload.sawFailure ? undefined : await this.#close();
      if (closed === undefined) return await this.#crash();
      ({ powerLost } = closed);
    } else powerLost = this.#loseProcess();
    this.#isDamaged = true;
    const decay = new Decay({
      random: this.#random,
      machine: this.#machine,
      flights: this.#flights,
      moments: this.#moments,
      stepper: this.#stepper,
      volumes: this.#volumes,
      verifier: this.#verifier,
      scrubs: this.#workload.scrubs,
      rot: this.#rot,
      hasCopies: this.#profile.diskFails,
      open: async () => (this.#pool = await this.#stepper.finish('opening it', () => this.#open())),
      close: async () => await this.#close(),
      note: (line) => this.#note(line),
    });
    await decay.run({ powerLost, clean });
  }

  /** From here on chance is that of the operation: what came before has no part in it. */
  #begin(operation: number): void {
    this.#random.restart(2 * operation * 2 ** 32 + this.#seed);
    this.#machine.restartChance((2 * operation + 1) * 2 ** 32 + this.#seed);
    if (operation > making && operation < theEnd) this.#note(`operation ${operation}`);
  }

  async #make(): Promise<void> {
    this.#note(JSON.stringify(this.#profile));
    const { deviceBytes } = this.#profile;
    if (deviceBytes !== undefined) this.#machine.makeDevice(devicePath, deviceBytes);
    this.#pool = await this.#stepper.finish('making the pool', () => this.#open());
    const [pool, sizeBytes] = [this.#pool, this.#profile.sizeBytes];
    const storeId = await this.#stepper.finish('createStore', () => pool.createStore());
    if (this.#profile.isCompressed)
      await this.#stepper.finish('compression', () => pool.setCompression(storeId, 'zstd'));
    const store = await this.#stepper.finish('openStore', () => pool.openStore(storeId));
    const object = await this.#stepper.finish('create', () => store.create(sizeBytes, 'off'));
    this.#volumes.begin(storeId, store, object, sizeBytes);
    await this.#volumes.bound(true);
    this.#verifier.begin(store.lossGeneration);
    if (deviceBytes === undefined) this.#machine.setRoom(this.#profile.roomBytes);
    this.#machine.setFailing(this.#failing);
  }

  async #next(): Promise<void> {
    const random = this.#random;
    const volume = this.#volumes.pick();
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
      const { volumesEach, diskFails, isCompressed, roomBytes } = this.#profile;
      if (isCompressed && !diskFails && roomBytes === undefined && random.oneIn(3)) {
        const compression = random.oneIn(2) ? 'zstd' : 'off';
        this.#note(`store ${volume.storeId} is compressed from now on: ${compression}`);
        const pool = this.#opened();
        return await this.#stepper.finish('compression', () => pool.setCompression(volume.storeId, compression));
      }
      if (!diskFails && random.oneIn(volumesEach)) return await this.#volumes.change();
      await this.#workload.issueAlone(volume, this.#opened(), this.#stepper);
    } else if (volume.origin !== undefined && random.oneIn(12)) {
      const pool = this.#opened();
      this.#workload.snapshots.flatten(volume, () => pool.flatten(volume.storeId));
    } else {
      const isOrigin = (snapshot: number): boolean => this.#volumes.isOrigin(volume, snapshot);
      this.#workload.issue(volume, { pool: this.#opened(), all: this.#volumes.all, isOrigin });
    }
    await this.#stepper.steps(random.below(this.#profile.stepsBetween + 1));
    while (this.#flights.count >= this.#profile.mostInFlight) await this.#stepper.step();
    this.#check();
  }

  /** One of three is ended before it is answered, if it takes long enough. */
  async #attempt<T>(what: string, operation: () => Settled<T>): Promise<T | typeof ended> {
    if (!this.#random.oneIn(3)) return await this.#stepper.finish(what, operation);
    const answered = await this.#stepper.within(what, operation, this.#random.below(120));
    if (answered !== undefined) return answered.value;
    await this.#crash();
    return ended;
  }

  async #crash(): Promise<void> {
    let powerLost = this.#loseProcess();
    this.#damageRecords(powerLost);
    for (;;) {
      const open = (): Promise<SimulatedPool> => this.#open();
      const opening = this.#random.oneIn(4)
        ? await this.#stepper.within('recovery', open, this.#random.below(200))
        : { value: await this.#stepper.finish('recovery', open) };
      if (opening === undefined) {
        this.#note('… while it recovers');
        powerLost = this.#loseProcess() || powerLost;
        continue;
      }
      this.#pool = opening.value;
      await this.#verifier.verify({ powerLost, clean: false });
      this.#check();
      this.#machine.setFailing(this.#failing);
      return;
    }
  }

  /** Kills the process or the machine; true when the power was lost. */
  #loseProcess(): boolean {
    // A page cache that a failed sync went through is not to be trusted by the next process either.
    const powerLost = this.#machine.hasFailed || this.#random.below(10) < this.#profile.powerLossesIn10;
    this.#note(`${powerLost ? 'the power is lost' : 'the process is killed'} with [${this.#flights.names}] in flight`);
    this.#crashes += 1;
    this.#flights.crash();
    this.#workload.ended();
    this.#machine.setFailing('nothing');
    this.#machine.crash(powerLost);
    return powerLost;
  }

  /** A loss of power may damage the database. It costs nobody anything: the log has all that it had. */
  #damageRecords(powerLost: boolean): void {
    const { damageEach, diskFails, roomBytes } = this.#profile;
    const hasLog = !diskFails && roomBytes === undefined;
    if (!powerLost || this.#sparesRecords || !hasLog || damageEach === 0 || !this.#random.oneIn(damageEach)) return;
    this.#note(this.#machine.damageRecords());
  }

  /** Closes the pool; then even a loss of power takes nothing. */
  async #restartCleanly(): Promise<void> {
    const closed = await this.#close();
    if (closed === undefined) return await this.#crash();
    this.#pool = await this.#stepper.finish('opening again', () => this.#open());
    await this.#verifier.verify({ powerLost: closed.powerLost, clean: true });
    this.#machine.setFailing(this.#failing);
  }

  /** Gives nothing where a pool that failed behind everybody's back says so now. */
  async #close(): Promise<{ readonly powerLost: boolean } | undefined> {
    this.#note('the pool is closed');
    this.#machine.setFailing('nothing');
    const pool = this.#opened();
    const failed = (error: unknown): 'failed' => {
      if (!this.#machine.hasFailed) throw error;
      return 'failed';
    };
    const outcome = await this.#stepper.finish('close', () => pool.close().then(() => 'closed' as const, failed));
    if (outcome === 'failed') {
      this.#note('… and says that it has failed');
      return undefined;
    }
    for (const { model } of this.#volumes.all) model.durable(this.#moments.next(), Infinity);
    const powerLost = this.#random.oneIn(2);
    this.#workload.ended();
    this.#machine.crash(powerLost);
    return { powerLost };
  }

  #open(): Promise<SimulatedPool> {
    return this.#openPool(restingOn(this.#machine));
  }

  #opened(): SimulatedPool {
    if (this.#pool === undefined) throw new Problem('the pool is not open');
    return this.#pool;
  }

  async #quiet(): Promise<void> {
    await this.#stepper.quiet();
    this.#check();
  }

  #check(): void {
    if (this.#found !== undefined) throw new Problem(this.#found);
  }

  get #failing(): Failing {
    if (!this.#profile.diskFails) return 'nothing';
    return this.#profile.readsFail ? 'everything' : 'writes';
  }

  #note(line: string): void {
    this.#history.push(line);
  }
}

/** Runs one history from its seed. The same seed, operations and code give the same history. */
export async function simulate(options: SimulationOptions): Promise<Outcome> {
  return await new Simulation(options).run();
}
