import { KiB, type RecordChange, type RecordStore } from '@ashlar/core';
import type { HostFile, OpenOptions } from '@ashlar/host';
import { SeededRandom, SimulatedMachine } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { recordFrameHead } from '../format/record-frame.ts';
import { RecordLog } from './record-log.ts';
import { contentsOf, logNumbers, logPath, readLogFiles } from './record-log-reader.ts';

const poolId = '00112233445566778899aabbccddeeff';
const directory = '/pool/log';

/** A database and its log, in which commits of some keys come one behind the other. */
class Logged {
  readonly machine: SimulatedMachine;
  readonly #random: SeededRandom;
  records: RecordStore;
  log: RecordLog | undefined;
  number = 0;

  constructor(seed: number) {
    this.machine = new SimulatedMachine(seed);
    this.machine.makeDurableDirectory('/pool');
    this.machine.makeDurableDirectory(directory);
    this.#random = new SeededRandom(seed);
    this.records = this.machine.openRecords();
  }

  async open(): Promise<RecordLog> {
    const { machine, number } = this;
    this.records = machine.openRecords();
    const { host } = machine;
    const options = { host, directory, poolId, records: this.records, dumpAfterBytes: 4 * KiB };
    const files = await machine.finish(readLogFiles(host, directory, poolId));
    this.log = await machine.finish(RecordLog.open(options, files, number));
    return this.log;
  }

  changes(): RecordChange[] {
    const random = this.#random;
    return Array.from({ length: 1 + random.below(5) }, () => {
      const value = random.oneIn(4) ? null : new Uint8Array(random.below(400)).fill(random.below(256));
      return { key: Buffer.from(`key ${random.below(40)}`), value };
    });
  }

  async commit(): Promise<void> {
    const changes = this.changes();
    await this.machine.finish(this.records.commit(changes));
    this.number += 1;
    await this.machine.finish(this.log!.commit(this.number, changes));
  }

  /** What a database made anew of the log has; nothing where that cannot be. */
  async found(): Promise<{ readonly number: number; readonly contents: Map<string, string> } | undefined> {
    const { host } = this.machine;
    const files = await this.machine.finish(readLogFiles(host, directory, poolId));
    const found = contentsOf(host, files, poolId);
    if (found === undefined) return undefined;
    const contents = new Map<string, string>();
    const replay = async (): Promise<void> => {
      for await (const changes of found.changes()) {
        for (const { key, value } of changes) {
          if (value === null) contents.delete(text(key));
          else contents.set(text(key), text(value));
        }
      }
    };
    await this.machine.finish(replay());
    return { number: found.number, contents };
  }

  /** What the database has. */
  contents(): Map<string, string> {
    const contents = new Map<string, string>();
    this.records.scan(new Uint8Array(1), Buffer.of(0xff), (key, value) => {
      contents.set(text(key), text(value));
      return true;
    });
    return contents;
  }

  get sizes(): number[] {
    const { host } = this.machine;
    return logNumbers(host, directory).map((number) => host.stat(logPath(directory, number))!.sizeBytes);
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const sorted = (contents: Map<string, string>): [string, string][] => [...contents].toSorted();

async function isSame(t: ExecutionContext, logged: Logged, what = ''): Promise<void> {
  const found = await logged.found();
  t.is(found?.number, logged.number, what);
  t.deepEqual(sorted(found!.contents), sorted(logged.contents()), what);
}

async function filled(seed: number, commits: number): Promise<Logged> {
  const logged = new Logged(seed);
  await logged.open();
  for (let count = 0; count < commits; count += 1) await logged.commit();
  return logged;
}

test('a database that is made anew of its log is the same, behind each commit', async (t) => {
  const logged = new Logged(1);
  await logged.open();
  for (let count = 0; count < 200; count += 1) {
    await logged.commit();
    await isSame(t, logged, `commit ${count}`);
  }
});

test('the files stay few and small, however much is committed', async (t) => {
  const logged = await filled(2, 2000);
  t.true(logged.sizes.length <= 3, String(logged.sizes.length));
  t.true(logged.sizes.reduce((sum, size) => sum + size, 0) < 200 * KiB, logged.sizes.join());
  await isSame(t, logged);
});

test('after a restart the log goes on, in the middle of a dump as well', async (t) => {
  const logged = await filled(3, 5);
  for (let count = 0; count < 120; count += 1) {
    logged.log!.close();
    await logged.open();
    await logged.commit();
    await isSame(t, logged, `restart ${count}`);
  }
});

test('what a loss of power left of an append is not there, and the commits before it are', async (t) => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const logged = await filled(seed, 20 + (seed % 7));
    const { machine } = logged;
    const before = sorted(logged.contents());
    const changes = logged.changes();
    await machine.finish(logged.records.commit(changes));
    void logged.log!.commit(logged.number + 1, changes);
    for (let steps = seed % 5; steps > 0; steps -= 1) await machine.step();
    machine.crash(true);
    const found = await logged.found();
    const isThere = found?.number === logged.number + 1;
    t.true(isThere || found?.number === logged.number, `seed ${seed}`);
    t.deepEqual(sorted(found!.contents), isThere ? sorted(logged.contents()) : before, `seed ${seed}`);
    // The database has the commit, whatever the log has of it.
    logged.number += 1;
    await logged.open();
    await isSame(t, logged, `seed ${seed}, opened again`);
  }
});

test('a log is read frame by frame into the same memory, however long it is', async (t) => {
  const logged = await filled(8, 60);
  const { machine } = logged;
  const { host } = machine;
  const memory = new Set<ArrayBufferLike>();
  let frames = 0;
  const open = (path: string, options: OpenOptions): HostFile => {
    const file = host.open(path, options);
    const read = file.read.bind(file);
    file.read = (offset, into) => {
      if (into.length > recordFrameHead) {
        frames += 1;
        memory.add(into.buffer);
      }
      return read(offset, into);
    };
    return file;
  };
  const files = await machine.finish(readLogFiles({ ...host, open }, directory, poolId));
  t.is(contentsOf(host, files, poolId)?.number, logged.number);
  t.true(memory.size * 3 < frames, `${memory.size} pieces of memory for ${frames} frames`);
});

test('where the power left the end of the append that begins a file and not its beginning, the files before it are the log', async (t) => {
  const logged = await filled(6, 20);
  const { machine } = logged;
  const newest = (): number => logNumbers(machine.host, directory).at(-1)!;
  const began = newest();
  let before: [string, string][] = [];
  while (newest() === began) {
    before = sorted(logged.contents());
    await logged.commit();
  }
  machine.crash(false);
  machine.flipBit(logPath(directory, newest()), 40);
  const found = await logged.found();
  t.is(found?.number, logged.number - 1);
  t.deepEqual(sorted(found!.contents), before);
});

test('what a killed process had written is durable before anything comes behind it', async (t) => {
  for (let commits = 5; commits < 30; commits += 1) {
    for (const steps of [1, 2, 3, 4, 6]) {
      const logged = await filled(7, commits);
      const { machine } = logged;
      const changes = logged.changes();
      await machine.finish(logged.records.commit(changes));
      logged.number += 1;
      void logged.log!.commit(logged.number, changes);
      for (let step = 0; step < steps; step += 1) await machine.step();
      machine.crash(false);
      await logged.open();
      await logged.commit();
      machine.crash(true);
      await isSame(t, logged, `${commits} commits, ${steps} steps`);
    }
  }
});

test('where a frame of the last dump is damaged the one before is gone on from, and neither where a commit is', async (t) => {
  let [whole, undone] = [0, 0];
  for (let seed = 1; seed <= 80; seed += 1) {
    const logged = await filled(seed, 60);
    const { machine } = logged;
    const expected = sorted(logged.contents());
    const numbers = logNumbers(machine.host, directory);
    const number = numbers[seed % numbers.length]!;
    const path = logPath(directory, number);
    machine.crash(false);
    machine.flipBit(path, (seed * 7919) % machine.host.stat(path)!.sizeBytes);
    const found = await logged.found();
    if (found === undefined) undone += 1;
    // The last commit of all cannot be told from one that the power cut.
    else if (found.number === logged.number) {
      whole += 1;
      t.deepEqual(sorted(found.contents), expected, `seed ${seed}`);
    } else t.is(found.number, logged.number - 1, `seed ${seed}`);
  }
  t.true(whole > 10 && undone > 10, `${whole} made anew, ${undone} not`);
});

test('damage is found when the log is read, and the next commit begins another', async (t) => {
  const logged = await filled(4, 30);
  t.true(await logged.machine.finish(logged.log!.verify()));
  const path = logPath(directory, logNumbers(logged.machine.host, directory).at(-1)!);
  logged.machine.flipBit(path, 100);
  t.false(await logged.machine.finish(logged.log!.verify()));
  await logged.commit();
  t.true(await logged.machine.finish(logged.log!.verify()));
  await isSame(t, logged);
});

test('a log that a full disk has no room for is none, and begins anew when there is room', async (t) => {
  const logged = await filled(5, 20);
  logged.machine.setRoom(0);
  for (let count = 0; count < 30 && logged.log!.isCurrent; count += 1) await logged.commit();
  t.false(logged.log!.isCurrent);
  t.deepEqual(logged.sizes, []);
  t.is(await logged.found(), undefined);
  await logged.commit();
  logged.machine.setRoom(undefined);
  await logged.commit();
  t.true(logged.log!.isCurrent);
  await isSame(t, logged);
});

test('a log of another state of the database is not gone on with', async (t) => {
  const logged = await filled(6, 20);
  await logged.machine.finish(logged.records.commit(logged.changes()));
  logged.number += 5;
  await logged.open();
  await isSame(t, logged);
});
