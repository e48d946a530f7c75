import { AshlarError, type RecordStore } from '@ashlar/core';
import type { Host, HostFile, HostStat, OpenOptions } from '@ashlar/host';
import { SeededRandom } from '../seeded-random.ts';
import { SimulatedRecordDisk } from '../simulated-record-store.ts';
import type { Failing, Machine } from '../simulator/machine.ts';
import { Directory, lookUp, parentOf } from './directory.ts';
import { SimulatedFile, type FileSeams } from './file.ts';
import { Inode } from './inode.ts';
import { blockBytes, SimulatedMemory } from './memory.ts';
import { SimulatedTime } from './time.ts';
import { turn } from './turn.ts';

/** Of so many calls one fails while the disk fails. */
const failsOneIn = { sync: 10, write: 150, read: 300 } as const;

/** The kernel writes back on its own at one of so many tasks. */
const writeBackOneIn = 20;

/**
 * A computer in memory with files, a page cache, and a database disk. All chance comes from one seed and all time from
 * `step`, so that what happened once happens again.
 */
export class SimulatedMachine implements Machine {
  readonly #random: SeededRandom;
  readonly #memory: SimulatedMemory;
  readonly #isDirect: boolean;
  readonly #time = new SimulatedTime();
  readonly #root = new Directory();
  readonly #records: SimulatedRecordDisk;
  /** Files without a name that somebody has open. */
  readonly #nameless = new Set<Inode>();
  #capacityBlocks = Infinity;
  #failing: Failing = 'nothing';
  #boot = 1;
  #life = 1;
  hasFailed = false;
  host: Host;

  /** `memory`: that of a machine that has ended, to be used again. `isDirect`: its file system has direct I/O. */
  constructor(seed: number, { memory = new SimulatedMemory(), isDirect = true } = {}) {
    this.#random = new SeededRandom(seed);
    this.#memory = memory;
    this.#isDirect = isDirect;
    memory.endMachine();
    this.#records = new SimulatedRecordDisk(this.#random, this.#time);
    this.host = this.#newHost();
  }

  setRoom(roomBytes: number | undefined): void {
    this.#capacityBlocks = roomBytes === undefined ? Infinity : this.#usedBlocks() + Math.floor(roomBytes / blockBytes);
  }

  setFailing(failing: Failing): void {
    this.#failing = failing;
  }

  restartChance(seed: number): void {
    this.#random.restart(seed);
  }

  flipBit(path: string, offset: number): void {
    const node = lookUp(this.#root, path);
    if (!(node instanceof Inode)) throw new AshlarError('not-found', `${path} is not a file`, { path });
    node.flipBit(offset, this.#random);
  }

  openRecords(): RecordStore {
    return this.#records.open();
  }

  damageRecords(): string {
    return this.#records.damage();
  }

  /** Makes a directory that is durable: where an administrator put the pool. */
  makeDurableDirectory(path: string): void {
    const { directory, name } = parentOf(this.#root, path);
    directory.change([[name, new Directory()]]);
    directory.endSync(directory.beginSync());
  }

  makeDevice(path: string, sizeBytes: number): void {
    const { directory, name } = parentOf(this.#root, path);
    directory.change([[name, new Inode(this.#memory, sizeBytes)]]);
    directory.endSync(directory.beginSync());
  }

  async step(): Promise<boolean> {
    let ran = this.#time.runNext();
    if (!ran) {
      await turn();
      ran = this.#time.runNext();
    }
    if (this.#random.oneIn(writeBackOneIn)) {
      const files = [...this.#root.files()];
      if (files.length > 0) this.#random.pick(files).writeBackSome(this.#random, 6);
    }
    await turn();
    return ran;
  }

  /** Steps until the operation has settled. */
  async finish<T>(operation: T | Promise<T>): Promise<T> {
    let ended = false;
    const end = (): void => {
      ended = true;
    };
    const promise = Promise.resolve(operation);
    promise.then(end, end);
    while (!ended) await this.step();
    return await promise;
  }

  crash(powerLost: boolean): void {
    this.#life += 1;
    this.#time.forgetTasks();
    this.#records.crash();
    this.#nameless.clear();
    this.#memory.endProcess();
    if (powerLost) {
      this.#boot += 1;
      this.hasFailed = false;
      this.#root.losePower(this.#random);
    } else this.#root.loseProcess();
    this.host = this.#newHost();
  }

  #usedBlocks(): number {
    let used = 0;
    for (const file of this.#root.files()) used += file.allocatedBlocks;
    for (const file of this.#nameless) used += file.allocatedBlocks;
    return used;
  }

  #seamsOf(life: number): FileSeams {
    const random = this.#random;
    return {
      isAlive: () => life === this.#life,
      takeRoom: (blocks, path) => {
        if (blocks === 0 || this.#capacityBlocks === Infinity) return;
        if (this.#usedBlocks() + blocks <= this.#capacityBlocks) return;
        throw new AshlarError('no-space', `there is no room for ${path}`, { path });
      },
      later: (work) =>
        new Promise((resolve, reject) => {
          this.#time.after(random.below(8), () => {
            try {
              resolve(work());
            } catch (error) {
              reject(error);
            }
          });
        }),
      strikes: (call) => {
        const mayFail = this.#failing === 'everything' || (this.#failing === 'writes' && call !== 'read');
        const strikes = mayFail && random.oneIn(failsOneIn[call]);
        this.hasFailed ||= strikes;
        return strikes;
      },
      readsLater: () => random.oneIn(8),
      sync: (inode, path) => this.#sync(inode, path, life),
      closed: (inode) => {
        if (inode.openers === 0) this.#nameless.delete(inode);
      },
    };
  }

  #sync(inode: Inode, path: string, life: number): Promise<void> {
    const seams = this.#seamsOf(life);
    if (!seams.isAlive()) return new Promise(() => undefined);
    const snapshot = inode.beginSync();
    return new Promise((resolve, reject) => {
      this.#time.after(1 + this.#random.below(30), () => {
        if (!seams.strikes('sync')) {
          inode.endSync(snapshot);
          resolve();
          return;
        }
        inode.failSync(snapshot, this.#random);
        reject(new AshlarError('io', `${path} could not be synced`, { path, operation: 'sync' }));
      });
    });
  }

  #newHost(): Host {
    const life = this.#life;
    return {
      open: (path, options) => this.#open(path, options, life),
      stat: (path) => this.#stat(path),
      list: (path) => [...this.#directory(path).names.keys()],
      makeDirectory: (path) => this.#makeDirectory(path),
      rename: (from, to) => this.#rename(from, to),
      unlink: (path) => this.#unlink(path),
      syncDirectory: (path) => this.#syncDirectory(path, life),
      freeBytes: () => {
        if (this.#capacityBlocks === Infinity) return 2 ** 42;
        return Math.max(0, this.#capacityBlocks - this.#usedBlocks()) * blockBytes;
      },
      bootId: () => `boot-${this.#boot}`,
      alignedBuffer: (length) => this.#memory.buffer(length),
      populatedBuffer: (length) => this.#seamsOf(life).later(() => this.#memory.buffer(length)),
      clock: this.#time,
      random: this.#random,
      scheduler: this.#time,
    };
  }

  #open(path: string, options: OpenOptions, life: number): HostFile {
    const { readOnly = false, direct = false } = options;
    const { directory, name } = parentOf(this.#root, path);
    let node = directory.names.get(name);
    const isDevice = node instanceof Inode && node.isDevice;
    if (direct && !this.#isDirect && !isDevice) {
      throw new AshlarError('unsupported', `${path} has no direct I/O`, { path });
    }
    if (node !== undefined && options.create && options.exclusive) {
      throw new AshlarError('exists', `${path} is there already`, { path });
    }
    if (node === undefined) {
      if (!options.create) throw new AshlarError('not-found', `${path} is not there`, { path });
      node = new Inode(this.#memory);
      directory.change([[name, node]]);
    }
    if (!(node instanceof Inode)) throw new AshlarError('is-directory', `${path} is a directory`, { path });
    return new SimulatedFile(path, node, { readOnly, direct }, this.#seamsOf(life));
  }

  #stat(path: string): HostStat | undefined {
    const node = lookUp(this.#root, path);
    if (node === undefined) return undefined;
    if (node instanceof Directory) return { kind: 'directory', sizeBytes: 0, allocatedBytes: 0 };
    return {
      kind: node.isDevice ? 'device' : 'file',
      sizeBytes: node.sizeBytes,
      allocatedBytes: node.allocatedBlocks * blockBytes,
    };
  }

  #directory(path: string): Directory {
    const node = lookUp(this.#root, path);
    if (node === undefined) throw new AshlarError('not-found', `${path} is not there`, { path });
    if (!(node instanceof Directory)) throw new AshlarError('not-directory', `${path} is a file`, { path });
    return node;
  }

  #makeDirectory(path: string): void {
    const { directory, name } = parentOf(this.#root, path);
    if (directory.names.has(name)) throw new AshlarError('exists', `${path} is there already`, { path });
    directory.change([[name, new Directory()]]);
  }

  #rename(from: string, to: string): void {
    const source = parentOf(this.#root, from);
    const target = parentOf(this.#root, to);
    const node = source.directory.names.get(source.name);
    if (node === undefined) throw new AshlarError('not-found', `${from} is not there`, { path: from });
    if (source.directory !== target.directory) {
      throw new AshlarError('unsupported', 'a rename stays in its directory here', { path: from });
    }
    this.#losesName(target.directory.names.get(target.name));
    source.directory.change([
      [source.name, undefined],
      [target.name, node],
    ]);
  }

  #unlink(path: string): void {
    const { directory, name } = parentOf(this.#root, path);
    const node = directory.names.get(name);
    if (node === undefined) throw new AshlarError('not-found', `${path} is not there`, { path });
    this.#losesName(node);
    directory.change([[name, undefined]]);
  }

  #losesName(node: Inode | Directory | undefined): void {
    if (node instanceof Inode && node.openers > 0) this.#nameless.add(node);
  }

  async #syncDirectory(path: string, life: number): Promise<void> {
    const directory = this.#directory(path);
    const seams = this.#seamsOf(life);
    const count = directory.beginSync();
    await seams.later(() => undefined);
    directory.endSync(count);
  }
}
