import type { Clock, FileHandle, FileTree, OriginRecords, Random, Settled, SnapshotId } from '@ashlar/core';
import type { BrokenTreeRule } from './broken-rule.ts';
import { faultsOf } from './faults-of.ts';
import { prefix } from './keys.ts';
import { openObjectTree, type TreeSnapshotView, type VolumeTree } from './object-tree.ts';
import { makeTree, openTreeState } from './open-tree.ts';
import { versionKeys } from './record-versions.ts';
import { rollBackRecords } from './roll-back.ts';
import type { TreeStore } from './tree-state.ts';

const who = { uid: 0, gid: 0, gids: [] };
const by = { who };
const room = () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39 });
const named = (text: string): Uint8Array => Buffer.from(text);

/** A store in memory that can be killed. */
type HistoryStore = Omit<TreeStore, 'origin'> & {
  readonly usedBlocks: readonly number[];
  readonly snapshotIds: ReadonlySet<SnapshotId>;
  snapshot(): Settled<SnapshotId>;
  deleteSnapshot(id: SnapshotId): Settled<void>;
  rollBack(id: SnapshotId): Settled<void>;
  openSnapshot(id: SnapshotId): TreeSnapshotView;
  afterKill(): HistoryStore;
  origin: OriginRecords | undefined;
  clone(id: SnapshotId): HistoryStore;
  asOrigin(id: SnapshotId): OriginRecords;
};

type Seams = {
  readonly clock: Clock;
  readonly random: Random & { oneIn(count: number): boolean; pick<T>(items: readonly T[]): T };
};

/** What files there are below the root, by their paths, and what they have: a directory has nothing. */
type Model = ReadonlyMap<string, string | undefined>;

async function found(tree: FileTree): Promise<Model> {
  const all = new Map<string, string | undefined>();
  const walk = async (directory: FileHandle, path: string): Promise<void> => {
    // A few at once: listings go on where they were.
    for (let cookie = 0n, isEnd = false; !isEnd;) {
      const listing = await tree.list(directory, cookie, 3, true, who);
      ({ isEnd } = listing);
      for (const { cookie: own, found: each, name } of listing.entries) {
        cookie = own;
        const text = Buffer.from(name).toString();
        if (text === '.' || text === '..') continue;
        const isDirectory = each!.attributes.type === 'directory';
        const into = Buffer.alloc(20_000);
        const count = isDirectory ? 0 : (await tree.read(each!.file, 0, into, who)).count;
        all.set(path + text, isDirectory ? undefined : into.toString('latin1', 0, count));
        if (isDirectory) await walk(each!.file, `${path}${text}/`);
      }
    }
  };
  await walk(tree.root, '');
  return all;
}

const textOf = (model: Model): string =>
  JSON.stringify([...model].toSorted(([one], [other]) => (one < other ? -1 : 1)));

/** For tests: a tree that is changed, and what must be there. */
export class TreeHistory {
  store: HistoryStore;
  model = new Map<string, string | undefined>();
  readonly snapshots = new Map<SnapshotId, Model>();
  readonly #seams: Seams;
  readonly #broken: BrokenTreeRule | undefined;
  readonly #clones = new Map<TreeHistory, SnapshotId>();
  #tree: VolumeTree | undefined;

  /** `broken`: a rule that is not kept. */
  constructor(store: HistoryStore, seams: Seams, broken?: BrokenTreeRule) {
    this.store = store;
    this.#seams = seams;
    this.#broken = broken;
  }

  get random(): Seams['random'] {
    return this.#seams.random;
  }

  get isClone(): boolean {
    return this.store.origin !== undefined;
  }

  get tree(): VolumeTree {
    return this.#tree!;
  }

  async open(): Promise<void> {
    const seams = this.#seams;
    if (!this.isClone && (await this.store.getRecord(Buffer.of(prefix.superblock))) === undefined) {
      await makeTree(this.store, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
    }
    this.#tree = await openObjectTree(this.store, { ...seams, room, broken: this.#broken });
    await this.tree.keepSnapshots(this.store.snapshotIds);
  }

  async #directory(path: string): Promise<FileHandle> {
    let directory = this.tree.root;
    for (const name of path.split('/').slice(0, -1)) {
      directory = (await this.tree.lookup(directory, named(name), who)).file;
    }
    return directory;
  }

  async change(): Promise<void> {
    const { model, random, tree } = this;
    const paths = [...model.keys()];
    const files = paths.filter((path) => model.get(path) !== undefined);
    const directories = ['', ...paths.filter((path) => model.get(path) === undefined).map((path) => `${path}/`)];
    const fresh = `${random.pick(directories)}${random.below(15)}`;
    const last = (path: string): Uint8Array => named(path.split('/').at(-1)!);
    const kind = random.below(11);
    if (kind < 4 && !model.has(fresh)) {
      const directory = await this.#directory(fresh);
      if (kind === 0) {
        await tree.makeDirectory(directory, last(fresh), { mode: 0o755 }, by);
        model.set(fresh, undefined);
        return;
      }
      const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
      const { file } = await tree.create(directory, last(fresh), how, by);
      const text = 'x'.repeat(random.below(3) * 5000) + String(random.below(1000));
      await tree.write(file, 0, named(text), 'unstable', who);
      model.set(fresh, text);
    } else if (kind < 6 && files.length > 0) {
      const path = random.pick(files);
      await tree.remove(await this.#directory(path), last(path), by);
      model.delete(path);
    } else if (kind < 8 && files.length > 0) {
      const path = random.pick(files);
      if (path === fresh || (model.has(fresh) && model.get(fresh) === undefined)) return;
      await tree.rename(await this.#directory(path), last(path), await this.#directory(fresh), last(fresh), by);
      const text = model.get(path);
      model.delete(path);
      model.set(fresh, text);
    } else if (kind < 10 && files.length > 0) {
      const path = random.pick(files);
      const { file } = await tree.lookup(await this.#directory(path), last(path), who);
      const text = String(random.below(1000));
      await tree.setAttributes(file, { sizeBytes: 0 }, undefined, by);
      await tree.write(file, 0, named(text), 'unstable', who);
      model.set(path, text);
    } else await tree.sync();
  }

  async takeSnapshot(): Promise<void> {
    const held = await this.tree.hold();
    try {
      const id = await this.store.snapshot();
      await held.took(id);
      this.snapshots.set(id, new Map(this.model));
    } finally {
      held.release();
    }
  }

  async dropSnapshot(): Promise<void> {
    const cloned = new Set(this.#clones.values());
    const ids = [...this.snapshots.keys()].filter((id) => !cloned.has(id));
    if (ids.length === 0) return;
    const id = this.random.pick(ids);
    await this.store.deleteSnapshot(id);
    await this.tree.keepSnapshots(this.store.snapshotIds);
    this.snapshots.delete(id);
  }

  /** A clone of one of them, which is changed, and must be, by itself. */
  async clone(): Promise<TreeHistory | undefined> {
    const ids = [...this.snapshots.keys()];
    if (ids.length === 0) return undefined;
    const id = this.random.pick(ids);
    const clone = new TreeHistory(this.store.clone(id), this.#seams, this.#broken);
    clone.model = new Map(this.snapshots.get(id));
    this.#clones.set(clone, id);
    await clone.open();
    return clone;
  }

  /** The process that had it open, and what was cloned from it, is killed. */
  async kill(): Promise<void> {
    await this.tree.sync();
    this.store = this.store.afterKill();
    for (const [clone, id] of this.#clones) clone.store.origin = this.store.asOrigin(id);
    await this.open();
  }

  /** Makes some more of it a clone's no more; gives whether it is none. */
  async flatten(): Promise<boolean> {
    if (!(await this.tree.flatten()).isFlat) return false;
    this.store.origin = undefined;
    return true;
  }

  /** A clone is one no more, or gone. */
  forget(clone: TreeHistory): void {
    this.#clones.delete(clone);
  }

  /** To the newest one. */
  async rollBack(): Promise<void> {
    const id = [...this.snapshots.keys()].at(-1);
    if (id === undefined) return;
    await this.tree.close();
    await this.store.rollBack(id);
    await rollBackRecords(this.store, id);
    // What was cut off is done again.
    if (this.random.oneIn(2)) await rollBackRecords(this.store, id);
    this.model = new Map(this.snapshots.get(id));
    await this.open();
  }

  /** Behind the end: what is not as it should be of the records, when no snapshot is there any more. */
  async leftovers(): Promise<string[]> {
    while (this.snapshots.size > 0) await this.dropSnapshot();
    await this.tree.close();
    const { reclaimer, snapshots } = await openTreeState(this.store, { ...this.#seams, room });
    await snapshots.keepOnly(new Set());
    await Promise.all([reclaimer.idle(), snapshots.idle()]);
    const left = await this.store.scanRecords(...versionKeys, 10);
    return [...(await faultsOf(this.store)), ...(left.length > 0 ? ['earlier records are left'] : [])];
  }

  /** What is not as it should be. */
  async faults(): Promise<string[]> {
    const faults: string[] = [];
    const now = textOf(await found(this.tree));
    if (now !== textOf(this.model)) faults.push(`now: ${now} in place of ${textOf(this.model)}`);
    for (const [id, model] of this.snapshots) {
      const tree = await this.tree.openSnapshot(this.store.openSnapshot(id));
      const then = textOf(await found(tree));
      if (then !== textOf(model)) faults.push(`snapshot ${id}: ${then} in place of ${textOf(model)}`);
      await tree.close();
    }
    return faults;
  }
}

/** Runs a history of snapshots; gives what is wrong in the end. */
export async function historyFaults(history: TreeHistory): Promise<string[]> {
  const { random } = history;
  await history.open();
  for (let step = 0; step < 80; step += 1) {
    const kind = random.below(16);
    if (kind === 0) await history.takeSnapshot();
    else if (kind === 1) await history.dropSnapshot();
    else if (kind === 2 && random.oneIn(3)) await history.rollBack();
    else if (kind === 3 && random.oneIn(2)) {
      await history.kill();
    } else await history.change();
  }
  const faults = await history.faults();
  return faults.length > 0 ? faults : await history.leftovers();
}

/** The same of trees that are cloned from each other; the first is the oldest. */
export async function familyFaults(first: TreeHistory): Promise<string[]> {
  const { random } = first;
  await first.open();
  const parents = new Map<TreeHistory, TreeHistory | undefined>([[first, undefined]]);
  /** No snapshot is taken of what is being flattened. */
  const flattening = new Set<TreeHistory>();
  for (let step = 0; step < 150; step += 1) {
    const one = random.pick([...parents.keys()]);
    const kind = random.below(20);
    if (kind < 2 && !flattening.has(one)) await one.takeSnapshot();
    else if (kind === 2) await one.dropSnapshot();
    else if (kind === 3 && random.oneIn(3)) await one.rollBack();
    // What was cloned from is killed first: clones look at it when they are opened.
    else if (kind === 4) for (const each of parents.keys()) await each.kill();
    else if (kind < 7 && parents.size < 4) {
      const clone = await one.clone();
      if (clone !== undefined) parents.set(clone, one);
    } else if (kind < 9 && one.isClone && one.snapshots.size === 0) {
      flattening.add(one);
      if (!(await one.flatten())) continue;
      flattening.delete(one);
      parents.get(one)!.forget(one);
    } else await one.change();
  }
  const faults: string[] = [];
  for (const each of parents.keys()) faults.push(...(await each.faults()));
  for (const [each, parent] of [...parents].toReversed()) {
    if (faults.length > 0) return faults;
    faults.push(...(await each.leftovers()));
    parent?.forget(each);
  }
  return faults;
}
