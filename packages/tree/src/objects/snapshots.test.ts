import type { FileHandle, FileTree, SnapshotId } from '@ashlar/core';
import { failsWith, MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test from 'ava';
import { faultsOf } from './faults-of.ts';
import { openObjectTree, type VolumeTree } from './object-tree.ts';
import { makeTree, openTreeState } from './open-tree.ts';
import { prefix } from './keys.ts';
import { versionKeys } from './record-versions.ts';
import { rollBackRecords } from './roll-back.ts';

const histories = process.env['ASHLAR_LONG'] === '1' ? 1000 : 25;
const who = { uid: 0, gid: 0, gids: [] };
const by = { who };
const room = () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39 });
const named = (text: string): Uint8Array => Buffer.from(text);

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

class History {
  readonly random: SeededRandom;
  store: MemoryObjectStore;
  model = new Map<string, string | undefined>();
  readonly snapshots = new Map<SnapshotId, Model>();
  #tree: VolumeTree | undefined;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.store = new MemoryObjectStore(seed % 2 === 0 ? this.random : undefined);
  }

  get tree(): VolumeTree {
    return this.#tree!;
  }

  async open(): Promise<void> {
    const seams = { clock: systemTime, random: this.random };
    if ((await this.store.getRecord(Buffer.of(prefix.superblock))) === undefined) {
      await makeTree(this.store, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
    }
    this.#tree = await openObjectTree(this.store, { ...seams, room });
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
    const ids = [...this.snapshots.keys()];
    if (ids.length === 0) return;
    const id = this.random.pick(ids);
    await this.store.deleteSnapshot(id);
    await this.tree.keepSnapshots(this.store.snapshotIds);
    this.snapshots.delete(id);
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

test('snapshots have what there was, whatever is changed, taken, dropped, rolled back to or killed', async (t) => {
  for (let seed = 1; seed <= histories; seed += 1) {
    const history = new History(seed);
    const { random } = history;
    await history.open();
    for (let step = 0; step < 80; step += 1) {
      const kind = random.below(16);
      if (kind === 0) await history.takeSnapshot();
      else if (kind === 1) await history.dropSnapshot();
      else if (kind === 2 && random.oneIn(3)) await history.rollBack();
      else if (kind === 3 && random.oneIn(2)) {
        await history.tree.sync();
        history.store = history.store.afterKill();
        await history.open();
      } else await history.change();
    }
    const faults = await history.faults();
    if (faults.length > 0) return t.fail(`seed ${seed}: ${faults.join('\n')}`);
    while (history.snapshots.size > 0) await history.dropSnapshot();
    await history.tree.close();
    const seams = { clock: systemTime, random };
    const { reclaimer, snapshots } = await openTreeState(history.store, { ...seams, room });
    await snapshots.keepOnly(new Set());
    await Promise.all([reclaimer.idle(), snapshots.idle()]);
    const left = await history.store.scanRecords(...versionKeys, 10);
    const all = [...(await faultsOf(history.store)), ...(left.length > 0 ? ['earlier records are left'] : [])];
    if (all.length > 0) return t.fail(`seed ${seed}: ${all.join(', ')}`);
  }
  t.pass();
});

test('a snapshot is read, and not changed, and has its own permissions', async (t) => {
  const history = new History(1);
  await history.open();
  const { tree } = history;
  const { file } = await tree.create(tree.root, named('a'), { mode: 'guarded', attributes: { mode: 0o644 } }, by);
  await tree.write(file, 0, named('before'), 'unstable', who);
  await history.takeSnapshot();
  await tree.write(file, 0, named('behind'), 'unstable', who);
  await tree.setAttributes(file, { mode: 0o600 }, undefined, by);
  await tree.remove(tree.root, named('a'), by);
  const then = await tree.openSnapshot(history.store.openSnapshot(1));
  t.true(then.readOnly);
  const other = { uid: 7, gid: 7, gids: [] };
  const into = Buffer.alloc(10);
  t.is((await then.read(file, 0, into, other)).count, 6);
  t.is(into.toString('latin1', 0, 6), 'before');
  t.is((await then.access(file, 0x3f, who)).granted & 0x1c, 0);
  await failsWith(t, 'read-only', async () => then.write(file, 0, named('x'), 'file', who));
  await failsWith(t, 'read-only', async () => then.remove(then.root, named('a'), by));
  await failsWith(t, 'stale', async () => tree.getAttributes(file));
  await failsWith(t, 'not-found', async () => tree.openSnapshot({ ...history.store.openSnapshot(1), id: 99 }));
  await tree.close();
});
