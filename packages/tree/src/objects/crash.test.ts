import type { FileHandle } from '@ashlar/core';
import { MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import test from 'ava';
import { faultsOf } from './faults-of.ts';
import { openObjectTree, type VolumeTree } from './object-tree.ts';
import { makeTree, openTreeState } from './open-tree.ts';

const histories = process.env['ASHLAR_LONG'] === '1' ? 2000 : 30;
const who = { uid: 0, gid: 0, gids: [] };
const by = { who };
const room = () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39 });
const named = (text: string): Uint8Array => Buffer.from(text);

/** What names there are, and what their files have: a directory has nothing. */
type Model = ReadonlyMap<string, string | undefined>;

class History {
  readonly random: SeededRandom;
  store: MemoryObjectStore;
  /** What there was after each change, and which of these a sync made durable. */
  models: Model[] = [new Map()];
  durable = 0;
  #tree: VolumeTree | undefined;
  #isMade = false;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.store = new MemoryObjectStore(seed % 2 === 0 ? this.random : undefined);
  }

  async open(): Promise<VolumeTree> {
    const seams = { clock: systemTime, random: this.random };
    if (!this.#isMade) await makeTree(this.store, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
    this.#isMade = true;
    this.#tree = await openObjectTree(this.store, { ...seams, room });
    return this.#tree;
  }

  /** Of a clone of what there is now, which goes on being changed itself. */
  async cloned(): Promise<History> {
    const held = await this.#tree!.hold();
    const id = await this.store.snapshot();
    await held.took(id);
    held.release();
    const clone = new History(this.random.below(1000));
    clone.store = this.store.clone(id);
    clone.models = [this.models.at(-1)!];
    clone.#isMade = true;
    for (let count = 0; count < 10; count += 1) await this.change();
    return clone;
  }

  /** Makes a clone of its own what it has of its origin. */
  async flatten(): Promise<void> {
    await this.#tree!.flatten();
  }

  async #directory(path: string): Promise<FileHandle> {
    const tree = this.#tree!;
    let directory = tree.root;
    for (const name of path.split('/').slice(0, -1)) directory = (await tree.lookup(directory, named(name), who)).file;
    return directory;
  }

  async change(): Promise<void> {
    const { random } = this;
    const tree = this.#tree!;
    const model = this.models.at(-1)!;
    const paths = [...model.keys()];
    const files = paths.filter((path) => model.get(path) !== undefined);
    const directories = ['', ...paths.filter((path) => model.get(path) === undefined).map((path) => `${path}/`)];
    const kind = random.below(10);
    const fresh = `${random.pick(directories)}${random.below(12)}`;
    const last = (path: string): Uint8Array => named(path.split('/').at(-1)!);
    const next = new Map(model);
    if (kind < 4 && !model.has(fresh)) {
      const directory = await this.#directory(fresh);
      if (kind === 0) {
        await tree.makeDirectory(directory, last(fresh), { mode: 0o755 }, by);
        next.set(fresh, undefined);
      } else {
        const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
        const { file } = await tree.create(directory, last(fresh), how, by);
        this.models.push(new Map(next).set(fresh, ''));
        const text = 'x'.repeat(random.below(3) * 5000) + String(random.below(1000));
        await tree.write(file, 0, named(text), 'file', who);
        this.durable = this.models.length;
        next.set(fresh, text);
      }
    } else if (kind < 6 && files.length > 0) {
      const path = random.pick(files);
      await tree.remove(await this.#directory(path), last(path), by);
      next.delete(path);
    } else if (kind < 8 && files.length > 0) {
      const path = random.pick(files);
      const taken = model.get(fresh) === undefined && model.has(fresh);
      if (taken) return;
      await tree.rename(await this.#directory(path), last(path), await this.#directory(fresh), last(fresh), by);
      next.delete(path);
      next.set(fresh, model.get(path));
    } else if (kind === 8) {
      // What is not durable may be lost, and must not be seen anywhere else.
      const { file } = await tree.create(tree.root, named('unstable'), { mode: 'unchecked', attributes: {} }, by);
      await tree.write(file, random.below(3) * 100_000, Buffer.alloc(20_000, 0xee), 'unstable', who);
      return;
    } else {
      await tree.sync();
      this.durable = this.models.length - 1;
      return;
    }
    this.models.push(next);
  }

  async found(): Promise<Model> {
    const tree = this.#tree!;
    const found = new Map<string, string | undefined>();
    const walk = async (directory: FileHandle, path: string): Promise<void> => {
      const { entries } = await tree.list(directory, 0n, 1000, true, who);
      for (const { found: each, name } of entries) {
        const own = Buffer.from(name).toString();
        if (own === '.' || own === '..' || own === 'unstable') continue;
        const isDirectory = each!.attributes.type === 'directory';
        const into = Buffer.alloc(20_000);
        const count = isDirectory ? 0 : (await tree.read(each!.file, 0, into, who)).count;
        found.set(path + own, isDirectory ? undefined : into.toString('latin1', 0, count));
        if (isDirectory) await walk(each!.file, `${path}${own}/`);
      }
    };
    await walk(tree.root, '');
    return found;
  }

  async close(): Promise<void> {
    await this.#tree!.close();
  }
}

const isSame = (one: Model, other: Model): boolean =>
  one.size === other.size && [...one].every(([path, text]) => other.has(path) && other.get(path) === text);

/** Crashes it again and again; gives what is wrong. */
async function crashed(history: History, how: 'killed' | 'loses power', isClone: boolean): Promise<string | undefined> {
  await history.open();
  for (let crash = 0; crash < 3; crash += 1) {
    const changes = history.random.below(40);
    for (let count = 0; count < changes; count += 1) {
      await history.change();
      if (isClone && history.random.oneIn(6)) await history.flatten();
    }
    history.store = how === 'killed' ? history.store.afterKill() : history.store.afterLoss(history.random);
    await history.open();
    const found = await history.found();
    const first = how === 'killed' ? history.models.length - 1 : history.durable;
    const at = history.models.findLastIndex((model, index) => index >= first && isSame(model, found));
    if (at < 0) {
      return `${JSON.stringify([...found])} is none of what there was since ${first}: ${JSON.stringify([...history.models.at(-1)!])}`;
    }
    history.models = [new Map(), history.models[at]!];
    history.durable = 0;
  }
  await history.close();
  const { reclaimer } = await openTreeState(history.store, { clock: systemTime, random: history.random, room });
  await reclaimer.idle();
  const faults = await faultsOf(history.store);
  return faults.length > 0 ? faults.join(', ') : undefined;
}

for (const how of ['killed', 'loses power'] as const) {
  const happens = how === 'killed' ? 'is killed' : 'loses power';
  test(`a tree whose process ${happens} is in order, with all that was promised`, async (t) => {
    for (let seed = 1; seed <= histories; seed += 1) {
      const fault = await crashed(new History(seed), how, false);
      if (fault !== undefined) return t.fail(`seed ${seed}: ${fault}`);
    }
    t.pass();
  });

  test(`so is a clone whose process ${happens}, also while it is flattened`, async (t) => {
    for (let seed = 1; seed <= histories / 2; seed += 1) {
      const origin = new History(seed);
      await origin.open();
      for (let count = 0; count < 20; count += 1) await origin.change();
      const fault = await crashed(await origin.cloned(), how, true);
      if (fault !== undefined) return t.fail(`seed ${seed}: ${fault}`);
    }
    t.pass();
  });
}

test('what was written and is nobody’s behind a crash is never seen, also where the tree is closed before it is given back', async (t) => {
  const seams = { clock: systemTime, random: new SeededRandom(5), room };
  const plain = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
  let store = new MemoryObjectStore();
  await makeTree(store, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
  const first = await openObjectTree(store, seams);
  const made = await first.create(first.root, named('removed'), plain, by);
  await first.write(made.file, 0, Buffer.alloc(4096, 1), 'file', who);
  await first.remove(first.root, named('removed'), by);
  // Its bytes are given back.
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await first.close();
  const second = await openObjectTree(store, seams);
  const lost = await second.create(second.root, named('lost'), plain, by);
  await second.write(lost.file, 0, Buffer.alloc(4096, 0xee), 'unstable', who);
  store = store.afterKill();
  await (await openObjectTree(store, seams)).close();
  const last = await openObjectTree(store, seams);
  const { file } = await last.create(last.root, named('new'), plain, by);
  await last.write(file, 3000, named('end'), 'file', who);
  const into = Buffer.alloc(3000, 1);
  await last.read(file, 0, into, who);
  t.true(into.equals(Buffer.alloc(3000)));
  await last.close();
});

test('what was written behind the end of a file and is lost is never seen, also where the tree was closed meanwhile', async (t) => {
  const seams = { clock: systemTime, random: new SeededRandom(5), room };
  let store = new MemoryObjectStore();
  await makeTree(store, 1, seams, { uid: 0, gid: 0, mode: 0o777 });
  const first = await openObjectTree(store, seams);
  const plain = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
  const { file } = await first.create(first.root, named('file'), plain, by);
  await first.write(file, 0, Buffer.alloc(1000, 1), 'file', who);
  await first.write(file, 1000, Buffer.alloc(2000, 0xee), 'unstable', who);
  store = store.afterKill();
  await (await openObjectTree(store, seams)).close();
  const last = await openObjectTree(store, seams);
  t.is((await last.getAttributes(file)).sizeBytes, 1000);
  await last.write(file, 2999, named('.'), 'file', who);
  const into = Buffer.alloc(3000);
  await last.read(file, 0, into, who);
  t.true(into.equals(Buffer.concat([Buffer.alloc(1000, 1), Buffer.alloc(1999), named('.')])));
  await last.close();
});

test('what a killed process wrote and nobody has is given back though the next one ends at once', async (t) => {
  const store = new MemoryObjectStore();
  const options = { clock: systemTime, random: new SeededRandom(1), room };
  await makeTree(store, 1, options, { uid: 0, gid: 0, mode: 0o777 });
  const how = { mode: 'guarded', attributes: { mode: 0o644 } } as const;
  const tree = await openObjectTree(store, options);
  const { file } = await tree.create(tree.root, named('a'), how, by);
  await tree.write(file, 0, named('a'), 'file', who);
  await tree.remove(tree.root, named('a'), by);
  // Its bytes are given back behind that.
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  await tree.close();
  const again = await openObjectTree(store, options);
  const other = await again.create(again.root, named('b'), how, by);
  await again.write(other.file, 0, named('b'), 'unstable', who);
  const killed = store.afterKill();
  await (await openObjectTree(killed, options)).close();
  const { reclaimer } = await openTreeState(killed, options);
  await reclaimer.idle();
  t.deepEqual(await faultsOf(killed), []);
});
