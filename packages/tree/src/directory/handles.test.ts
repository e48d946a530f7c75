import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AshlarError, type FileHandle, type FileTree } from '@ashlar/core';
import { failsWith, ManualTime, MemoryObjectStore, SeededRandom, testAsRoot } from '@ashlar/testing';
import ava, { type ExecutionContext } from 'ava';
import { openDirectoryTree } from './open-directory.ts';

const root = { uid: 0, gid: 0, gids: [] };
const named = (text: string): Uint8Array => Buffer.from(text);

/** A directory `tree` beside others, and what it is as a tree. */
class Place {
  readonly #t: ExecutionContext;
  records = new MemoryObjectStore();
  readonly #withTable: boolean;
  readonly #random = new SeededRandom(3);
  readonly time = new ManualTime();
  readonly outside: string;
  readonly path: string;
  tree!: FileTree;

  constructor(t: ExecutionContext, withTable = false) {
    this.#t = t;
    this.#withTable = withTable;
    this.outside = mkdtempSync(join(tmpdir(), 'ashlar-handles-'));
    t.teardown(() => rmSync(this.outside, { recursive: true, force: true }));
    this.path = join(this.outside, 'tree');
    mkdirSync(this.path);
  }

  /** Opens it, again where it is open: what is in memory is gone. */
  async open(): Promise<FileTree> {
    await (this.tree as FileTree | undefined)?.close();
    const { time } = this;
    this.tree = await openDirectoryTree(this.path, {
      clock: time,
      scheduler: time,
      random: this.#random,
      records: this.records,
      key: Buffer.from('x-'),
      withTable: this.#withTable,
    });
    this.#t.teardown(() => this.tree.close());
    return this.tree;
  }

  /** Rows of the table of handles, with that of the root. */
  async rows(): Promise<number> {
    return (await this.records.scanRecords(Buffer.from('x-'), Buffer.from('x.'), 1000)).length;
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** The handle of a path below the root. */
  async find(...names: string[]): Promise<FileHandle> {
    let { root: handle } = this.tree;
    for (const name of names) ({ file: handle } = await this.tree.lookup(handle, named(name), root));
    return handle;
  }

  async text(handle: FileHandle): Promise<string> {
    const into = Buffer.alloc(100);
    const { count } = await this.tree.read(handle, 0, into, root);
    return into.toString('latin1', 0, count);
  }

  async isGone(handle: FileHandle): Promise<void> {
    await failsWith(this.#t, 'stale', async () => this.tree.getAttributes(handle));
  }
}

const asRoot = testAsRoot(ava);

const test = (title: string, body: (t: ExecutionContext, place: Place) => Promise<void>): void =>
  asRoot(title, async (t) => {
    const place = new Place(t);
    await place.open();
    await body(t, place);
  });

/** How often this process has a file open. */
const openCount = (path: string): number =>
  readdirSync('/proc/self/fd').filter((each) => {
    try {
      return readlinkSync(`/proc/self/fd/${each}`) === path;
    } catch {
      return false;
    }
  }).length;

test('a file that is renamed behind our back keeps its handle, and so does what is in a directory', async (t, place) => {
  mkdirSync(place.at('a', 'b'), { recursive: true });
  writeFileSync(place.at('a', 'b', 'file'), 'text');
  const [file, directory] = [await place.find('a', 'b', 'file'), await place.find('a', 'b')];
  renameSync(place.at('a', 'b'), place.at('c'));
  renameSync(place.at('c', 'file'), place.at('moved'));
  t.is(await place.text(file), 'text');
  await place.open();
  t.is(await place.text(file), 'text');
  t.deepEqual(await place.find('moved'), file);
  t.deepEqual(await place.find('c'), directory);
  const made = await place.tree.create(directory, named('new'), { mode: 'guarded', attributes: {} }, { who: root });
  t.deepEqual(await place.find('c', 'new'), made.file);
});

test('a file that is removed behind our back is stale, also where another has its name', async (_t, place) => {
  writeFileSync(place.at('file'), 'one');
  const file = await place.find('file');
  await place.text(file);
  unlinkSync(place.at('file'));
  writeFileSync(place.at('file'), 'two');
  await place.isGone(file);
  await place.open();
  await place.isGone(file);
});

test('a directory in place of another has a handle of its own', async (t, place) => {
  mkdirSync(place.at('a'));
  const before = await place.find('a');
  renameSync(place.at('a'), place.at('b'));
  mkdirSync(place.at('a'));
  t.notDeepEqual(await place.find('a'), before);
  t.deepEqual(await place.find('b'), before);
  rmSync(place.at('b'), { recursive: true });
  await place.isGone(before);
});

test('a directory that is moved out of the tree is stale, with all that is found by it', async (t, place) => {
  mkdirSync(place.at('a', 'b'), { recursive: true });
  const [a, b] = [await place.find('a'), await place.find('a', 'b')];
  renameSync(place.at('a'), join(place.outside, 'a'));
  await place.isGone(a);
  await place.isGone(b);
  await failsWith(t, 'stale', async () => place.tree.lookup(b, named('..'), root));
  await place.open();
  await place.isGone(b);
  renameSync(join(place.outside, 'a'), place.at('again'));
  t.deepEqual(await place.find('again', 'b'), b);
});

test('a tree goes with its directory when that is renamed', async (t, place) => {
  mkdirSync(place.at('a'));
  const a = await place.find('a');
  renameSync(place.path, join(place.outside, 'other'));
  mkdirSync(place.path);
  t.is((await place.tree.getAttributes(a)).type, 'directory');
  await place.tree.makeDirectory(a, named('in'), {}, { who: root });
  t.deepEqual(await place.find('a', 'in'), await place.find('a', 'in'));
});

test('symbolic links are never followed', async (t, place) => {
  writeFileSync(join(place.outside, 'secret'), 'secret');
  symlinkSync(place.outside, place.at('out'));
  symlinkSync(join(place.outside, 'secret'), place.at('link'));
  const { tree } = place;
  const out = await place.find('out');
  t.is((await tree.getAttributes(out)).type, 'link');
  await failsWith(t, 'not-directory', async () => tree.lookup(out, named('secret'), root));
  const link = await place.find('link');
  await failsWith(t, 'invalid', async () => tree.read(link, 0, Buffer.alloc(9), root));
  await failsWith(t, 'invalid', async () => tree.write(link, 0, named('x'), 'unstable', root));
  await tree.setAttributes(link, { mode: 0o777, uid: 5 }, undefined, { who: root });
  const how = { mode: 'unchecked', attributes: { sizeBytes: 0 } } as const;
  await failsWith(t, 'exists', async () => tree.create(tree.root, named('link'), how, { who: root }));
  t.is(readFileSync(join(place.outside, 'secret'), 'utf8'), 'secret');
});

test('a directory that a link takes the place of stays what it was', async (t, place) => {
  mkdirSync(place.at('a'));
  const a = await place.find('a');
  renameSync(place.at('a'), place.at('b'));
  symlinkSync(place.outside, place.at('a'));
  await place.tree.makeDirectory(a, named('new'), {}, { who: root });
  t.deepEqual(await place.find('b', 'new'), await place.find('b', 'new'));
  await failsWith(t, 'not-found', async () => place.tree.lookup(a, named('tree'), root));
});

test('the root is in itself, and nothing leads above it', async (t, place) => {
  t.is(place.tree.root[0], 1, 'it has a handle of the kernel');
  t.deepEqual((await place.tree.lookup(place.tree.root, named('..'), root)).file, place.tree.root);
  const { entries } = await place.tree.list(place.tree.root, 0n, 10, true, root);
  for (const { found } of entries) t.deepEqual(found?.file, place.tree.root);
});

test('handles that cannot be are bad, and those of others stale', async (t, place) => {
  writeFileSync(place.at('file'), '');
  const file = Buffer.from(await place.find('file'));
  for (const bad of [file.subarray(0, 12), Buffer.concat([Buffer.of(9), file.subarray(1)]), Buffer.alloc(0)]) {
    await failsWith(t, 'bad-handle', async () => place.tree.getAttributes(bad));
  }
  const other = Buffer.from(file);
  other[other.length - 1]! ^= 1;
  await failsWith(t, 'stale', async () => place.tree.getAttributes(other));
});

test('a file that nobody uses is not held open: what is removed gives its room back', async (t, place) => {
  writeFileSync(place.at('file'), Buffer.alloc(10_000));
  const file = await place.find('file');
  await place.text(file);
  t.true(openCount(place.at('file')) > 0);
  await place.time.advance(60_000);
  t.is(openCount(place.at('file')), 0);
  t.is((await place.tree.getAttributes(file)).sizeBytes, 10_000);
});

test('the write verifier is another one after a start', async (t, place) => {
  const { writeVerifier } = place.tree;
  t.is(writeVerifier.length, 8);
  t.notDeepEqual((await place.open()).writeVerifier, writeVerifier);
});

asRoot('where the kernel has no handles those on record are the same after a start', async (t) => {
  const place = new Place(t, true);
  await place.open();
  mkdirSync(place.at('a', 'b'), { recursive: true });
  writeFileSync(place.at('a', 'b', 'file'), 'text');
  writeFileSync(place.at('gone'), '');
  const [file, directory, removed] = [
    await place.find('a', 'b', 'file'),
    await place.find('a'),
    await place.find('gone'),
  ];
  const { tree } = place;
  await tree.rename(directory, named('b'), tree.root, named('c'), { who: root });
  await place.open();
  t.is(await place.text(file), 'text', 'it is found where it was moved to');
  renameSync(place.at('c', 'file'), place.at('c', 'other'));
  renameSync(place.at('c'), place.at('d'));
  await place.open();
  t.is(await place.text(file), 'text', 'and under another name in the same directory');
  t.deepEqual(await place.find('d', 'other'), file);
  unlinkSync(place.at('gone'));
  writeFileSync(place.at('gone'), 'another');
  await place.isGone(removed);
  rmSync(place.at('d'), { recursive: true });
  await place.open();
  await place.isGone(file);
});

asRoot('on record too a file of several names is found by any that is left', async (t) => {
  const place = new Place(t, true);
  const tree = await place.open();
  writeFileSync(place.at('a'), 'text');
  const file = await place.find('a');
  await tree.link(file, tree.root, named('b'), { who: root });
  await tree.remove(tree.root, named('b'), { who: root });
  await place.open();
  t.is(await place.text(file), 'text');
  await place.tree.link(file, place.tree.root, named('c'), { who: root });
  unlinkSync(place.at('a'));
  await place.open();
  t.is(await place.text(file), 'text');
});

asRoot(
  'on record a file that a client gives a name in another directory is found by it, whatever is lost of the table',
  async (t) => {
    const random = new SeededRandom(8);
    for (let round = 0; round < 12; round += 1) {
      const place = new Place(t, true);
      const { root: top } = await place.open();
      for (const name of ['a', 'b']) mkdirSync(place.at(name));
      writeFileSync(place.at('file'), 'text');
      mkdirSync(place.at('a', 'moves'));
      const [a, b, file, moves] = [
        await place.find('a'),
        await place.find('b'),
        await place.find('file'),
        await place.find('a', 'moves'),
      ];
      await place.tree.rename(top, named('file'), a, named('moved'), { who: root });
      await place.tree.link(file, b, named('linked'), { who: root });
      await place.tree.remove(a, named('moved'), { who: root });
      await place.tree.rename(a, named('moves'), b, named('moves'), { who: root });
      place.records = place.records.afterLoss(random);
      await place.open();
      t.is(await place.text(file), 'text');
      t.is((await place.tree.getAttributes(moves)).type, 'directory');
    }
  },
);

const hourMs = 3_600_000;

asRoot(
  'on record a file that others removed is forgotten in days, and one that they moved is not while it is found',
  async (t) => {
    const place = new Place(t, true);
    await place.open();
    for (const name of ['a', 'b']) mkdirSync(place.at(name));
    for (const name of ['stays', 'goes', 'moves', 'a/below']) writeFileSync(place.at(name), name);
    const [stays, goes, moves, below] = [
      await place.find('stays'),
      await place.find('goes'),
      await place.find('moves'),
      await place.find('a', 'below'),
    ];
    await place.find('b');
    t.is(await place.rows(), 7);
    unlinkSync(place.at('goes'));
    rmSync(place.at('a'), { recursive: true });
    renameSync(place.at('moves'), place.at('b', 'moves'));
    renameSync(place.at('stays'), place.at('other'));
    for (let day = 0; day < 5; day += 1) await place.time.advance(24 * hourMs);
    t.is(await place.rows(), 7, 'it may be but elsewhere');
    t.deepEqual(await place.find('b', 'moves'), moves);
    for (let day = 0; day < 3; day += 1) await place.time.advance(24 * hourMs);
    t.is(await place.rows(), 4);
    await place.open();
    t.is(await place.text(stays), 'stays');
    t.is(await place.text(moves), 'moves');
    for (const each of [goes, below]) await place.isGone(each);
  },
);

asRoot('on record no more than some files are looked for at a time, and each of them is', async (t) => {
  const place = new Place(t, true);
  await place.open();
  mkdirSync(place.at('a'));
  for (let number = 0; number < 150; number += 1) {
    writeFileSync(place.at('a', `file${number}`), '');
    await place.find('a', `file${number}`);
  }
  for (let number = 0; number < 140; number += 1) unlinkSync(place.at('a', `file${number}`));
  await place.time.advance(hourMs);
  const counts = new Set<number>();
  for (let day = 1; day < 7; day += 1) await place.time.advance(24 * hourMs);
  for (let second = 0; second < 30; second += 1) {
    await place.time.advance(1000);
    counts.add(await place.rows());
  }
  t.is(counts.size, 4, `${[...counts].join()}: in three pieces`);
  t.is([...counts].at(-1), 12);
});

asRoot(
  'on record a file is found where it was moved to also by a server that ended before it wrote that down',
  async (t) => {
    const place = new Place(t, true);
    const { root: top } = await place.open();
    mkdirSync(place.at('a'));
    writeFileSync(place.at('file'), 'text');
    const [a, file] = [await place.find('a'), await place.find('file')];
    const ended = new AshlarError('closed', 'the server ended');
    const { records } = place;
    const commit = records.commit.bind(records);
    records.commit = (changes, durable) => {
      const committed = commit(changes, durable);
      if (existsSync(place.at('file'))) records.failing = ended;
      return committed;
    };
    await failsWith(t, 'closed', async () => place.tree.rename(top, named('file'), a, named('moved'), { who: root }));
    t.true(existsSync(place.at('a', 'moved')));
    place.records = records.afterKill();
    await place.open();
    t.is(await place.text(file), 'text');
  },
);

asRoot(
  'on record a file is found by a name that it has in another directory, however often it was renamed in this one',
  async (t) => {
    const place = new Place(t, true);
    const { root: top } = await place.open();
    mkdirSync(place.at('a'));
    writeFileSync(place.at('0'), 'text');
    const [a, file] = [await place.find('a'), await place.find('0')];
    await place.tree.link(file, a, named('other'), { who: root });
    for (let number = 0; number < 20; number += 1) {
      await place.tree.rename(top, named(String(number)), top, named(String(number + 1)), { who: root });
    }
    await place.tree.remove(top, named('20'), { who: root });
    await place.open();
    t.is(await place.text(file), 'text');
  },
);

asRoot('on record a file that a client removes is forgotten once it cannot come back', async (t) => {
  const place = new Place(t, true);
  const { root: top } = await place.open();
  for (const name of ['a', 'b']) writeFileSync(place.at(name), '');
  const [a, b] = [await place.find('a'), await place.find('b')];
  await place.tree.remove(top, named('a'), { who: root });
  await place.tree.rename(top, named('b'), top, named('a'), { who: root });
  t.is(await place.rows(), 3, 'without power both may be there again');
  await place.tree.sync();
  t.is(await place.rows(), 2);
  await place.isGone(a);
  t.deepEqual(await place.find('a'), b);
});
