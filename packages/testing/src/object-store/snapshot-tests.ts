import { KiB, MiB, type ObjectId, type ObjectStore, type SnapshotId } from '@ashlar/core';
import type { ExecutionContext } from 'ava';
import { pattern } from '../block-device/subject.ts';
import { failsWith, sameBytes } from '../expect.ts';
import { SeededRandom } from '../seeded-random.ts';
import { readObject, type StoreRun, type StoreTest } from './subject.ts';

const sizeBytes = 4 * MiB;

async function readSnapshot(store: ObjectStore, snapshot: SnapshotId, object: ObjectId): Promise<Uint8Array> {
  const view = store.openSnapshot(snapshot);
  try {
    const into = new Uint8Array(view.sizeOf(object)).fill(0xee);
    await view.read(object, 0, into);
    return into;
  } finally {
    view.close();
  }
}

/** A volume of one object with its snapshots, beside a model of it. */
class History {
  readonly #t: ExecutionContext;
  readonly #run: StoreRun;
  readonly #random: SeededRandom;
  #store: ObjectStore;
  readonly #object: ObjectId;
  #model = new Uint8Array(sizeBytes);
  readonly #snapshots = new Map<SnapshotId, Uint8Array>();
  #tag = 0;

  constructor(t: ExecutionContext, run: StoreRun, random: SeededRandom, store: ObjectStore, object: ObjectId) {
    this.#t = t;
    this.#run = run;
    this.#random = random;
    this.#store = store;
    this.#object = object;
  }

  async step(): Promise<void> {
    const random = this.#random;
    const kind = random.below(20);
    if (kind < 8) await this.#write(random.pick([1, 100, 4096, 8192, 20_000]));
    else if (kind < 11) await this.#write(random.pick([64 * KiB, 256 * KiB, 300 * KiB]));
    else if (kind < 13) await this.#clear();
    else if (kind < 16) await this.#take();
    else if (kind < 18) await this.#drop();
    else if (kind < 19) await this.#resize();
    else if (random.oneIn(3)) this.#store = await this.#run.reopen();
    else this.#store = (await this.#run.kill()) ?? this.#store;
  }

  #range(length: number): { offset: number; length: number } {
    const size = this.#model.length;
    const short = Math.min(length, size);
    const offset = this.#random.below(size - short + 1);
    return { offset: this.#random.oneIn(2) ? offset : offset - (offset % 4096), length: short };
  }

  async #write(length: number): Promise<void> {
    this.#tag += 1;
    const range = this.#range(length);
    const bytes = pattern(this.#tag, range.length);
    await this.#store.write(this.#object, range.offset, bytes, false);
    this.#model.set(bytes, range.offset);
  }

  async #clear(): Promise<void> {
    const { offset, length } = this.#range(this.#random.pick([4096, 50_000, MiB]));
    if (this.#random.oneIn(2)) await this.#store.trim(this.#object, offset, length, false);
    else await this.#store.zero(this.#object, offset, length, this.#random.oneIn(2), false);
    this.#model.fill(0, offset, offset + length);
  }

  async #take(): Promise<void> {
    this.#snapshots.set(await this.#store.snapshot(), this.#model.slice());
  }

  async #drop(): Promise<void> {
    const ids = [...this.#snapshots.keys()];
    if (ids.length < 3) return;
    const id = this.#random.pick(ids);
    await this.#store.deleteSnapshot(id);
    this.#snapshots.delete(id);
  }

  async #resize(): Promise<void> {
    const size = this.#random.pick([MiB, 2 * MiB + 5000, sizeBytes]);
    await this.#store.truncate(this.#object, size);
    const resized = new Uint8Array(size);
    resized.set(this.#model.subarray(0, size));
    this.#model = resized;
  }

  async verify(what: string): Promise<void> {
    const live = await readObject(this.#store, this.#object, 0, this.#model.length);
    sameBytes(this.#t, this.#model, live, `${what}: the volume`);
    this.#t.deepEqual(
      this.#store.snapshots().map(({ id }) => id),
      [...this.#snapshots.keys()],
    );
    for (const [id, model] of this.#snapshots) {
      sameBytes(this.#t, model, await readSnapshot(this.#store, id, this.#object), `${what}: snapshot ${id}`);
      await this.#verifyChanges(id, model, what);
    }
  }

  /** What is said to be unchanged since a snapshot is so, and all of the range is told of. */
  async #verifyChanges(id: SnapshotId, before: Uint8Array, what: string): Promise<void> {
    const after = this.#model;
    const changes = await this.#store.changesSince(this.#object, id, 0, after.length, 100_000);
    let at = 0;
    for (const { offset, length, isChanged } of changes) {
      this.#t.is(offset, at);
      at += length;
      if (isChanged) continue;
      let had = before.subarray(offset, at);
      // Behind the end that it had then it reads as zeros.
      if (had.length < length) had = Buffer.concat([had], length);
      sameBytes(this.#t, had, after.subarray(offset, at), `${what}: unchanged since ${id} at ${offset}`);
    }
    this.#t.is(at, after.length);
  }
}

/** Snapshots: what they keep, and for how long. */
export function snapshotTests(check: StoreTest): void {
  check('a snapshot stays as the volume was, whatever is written over it', async (t, run) => {
    const store = await run.start();
    const object = await store.create(sizeBytes, 'off');
    const before = pattern(1, sizeBytes);
    await store.write(object, 0, before, false);
    const snapshot = await store.snapshot();
    const after = before.slice();
    for (const [offset, length] of [
      [0, 4096],
      [5000, 100],
      [MiB, 300 * KiB],
    ] as const) {
      const bytes = pattern(2, length);
      await store.write(object, offset, bytes, false);
      after.set(bytes, offset);
    }
    await store.trim(object, 2 * MiB, MiB, false);
    after.fill(0, 2 * MiB, 3 * MiB);
    for (const again of [store, await run.reopen()]) {
      if (again !== store) sameBytes(t, after, await readObject(again, object, 0, sizeBytes), 'the volume');
      if (again !== store) sameBytes(t, before, await readSnapshot(again, snapshot, object), 'the snapshot');
    }
  });

  check('a snapshot that is not there, or not any more, is not-found; one that is open is busy', async (t, run) => {
    const store = await run.start();
    await store.create(sizeBytes, 'off');
    await failsWith(t, 'not-found', () => store.openSnapshot(1));
    const snapshot = await store.snapshot();
    const view = store.openSnapshot(snapshot);
    await failsWith(t, 'busy', () => store.deleteSnapshot(snapshot));
    view.close();
    await store.deleteSnapshot(snapshot);
    await failsWith(t, 'not-found', () => store.deleteSnapshot(snapshot));
    await failsWith(t, 'not-found', () => store.openSnapshot(snapshot));
    t.deepEqual(store.snapshots(), []);
  });

  check('a clone has what its snapshot has, and neither knows what the other writes', async (t, run) => {
    const store = await run.start();
    const object = await store.create(sizeBytes, 'off');
    const before = pattern(1, sizeBytes);
    await store.write(object, 0, before, false);
    const snapshot = await store.snapshot();
    const cloneId = await run.pool.cloneStore(run.storeId, snapshot);
    let clone = await run.pool.openStore(cloneId);
    await store.write(object, MiB, pattern(2, 8192), false);
    await clone.write(object, MiB + 4096, pattern(3, 8192), false);
    await clone.trim(object, 0, 64 * KiB, false);
    const [own, others] = [before.slice(), before.slice()];
    own.set(pattern(2, 8192), MiB);
    others.set(pattern(3, 8192), MiB + 4096);
    others.fill(0, 0, 64 * KiB);
    await failsWith(t, 'busy', () => store.deleteSnapshot(snapshot));
    sameBytes(t, others, await readObject(clone, object, 0, sizeBytes), 'the clone');
    const again = await run.reopen();
    clone = await run.pool.openStore(cloneId);
    sameBytes(t, own, await readObject(again, object, 0, sizeBytes), 'the volume');
    sameBytes(t, others, await readObject(clone, object, 0, sizeBytes), 'the clone, after opening again');
    sameBytes(t, before, await readSnapshot(again, snapshot, object), 'the snapshot');
    await clone.close();
    await run.pool.deleteStore(cloneId);
    await again.deleteSnapshot(snapshot);
    sameBytes(t, own, await readObject(again, object, 0, sizeBytes), 'the volume alone');
  });

  check('a volume that is rolled back is what its newest snapshot is', async (t, run) => {
    const store = await run.start();
    const object = await store.create(sizeBytes, 'off');
    const before = pattern(1, sizeBytes);
    await store.write(object, 0, before, false);
    const first = await store.snapshot();
    await store.write(object, 5000, pattern(2, 300 * KiB), false);
    const second = await store.snapshot();
    await store.truncate(object, MiB);
    await failsWith(t, 'busy', () => run.pool.rollBack(run.storeId, second));
    await store.close();
    await failsWith(t, 'busy', () => run.pool.rollBack(run.storeId, first));
    await run.pool.rollBack(run.storeId, second);
    let again = await run.pool.openStore(run.storeId);
    const then = before.slice();
    then.set(pattern(2, 300 * KiB), 5000);
    sameBytes(t, then, await readObject(again, object, 0, sizeBytes), 'as the second snapshot');
    await again.deleteSnapshot(second);
    await again.write(object, 0, pattern(4, 4096), false);
    await again.close();
    await run.pool.rollBack(run.storeId, first);
    again = await run.reopen();
    sameBytes(t, before, await readObject(again, object, 0, sizeBytes), 'as the first one');
  });

  check('snapshots of several volumes are of one instant', async (t, run) => {
    const store = await run.start();
    const object = await store.create(MiB, 'off');
    const otherId = await run.pool.createStore();
    const other = await run.pool.openStore(otherId);
    const otherObject = await other.create(MiB, 'off');
    await store.write(object, 0, pattern(1, 4096), false);
    await other.write(otherObject, 0, pattern(2, 4096), false);
    const [one, two] = await run.pool.snapshot([run.storeId, otherId], true);
    await store.write(object, 0, pattern(3, 4096), false);
    await other.write(otherObject, 0, pattern(4, 4096), false);
    sameBytes(t, pattern(1, 4096), (await readSnapshot(store, one!, object)).subarray(0, 4096), 'one');
    sameBytes(t, pattern(2, 4096), (await readSnapshot(other, two!, otherObject)).subarray(0, 4096), 'two');
  });

  check('a snapshot that was not made durable is there with the next thing that is', async (t, run) => {
    const store = await run.start();
    const object = await store.create(MiB, 'off');
    const other = await run.pool.openStore(await run.pool.createStore());
    await store.write(object, 0, pattern(1, 4096), false);
    const [id] = await run.pool.snapshot([run.storeId], false);
    await store.write(object, 0, pattern(2, 4096), false);
    await other.commit([{ key: Uint8Array.of(1), value: Uint8Array.of(1) }], true);
    const again = (await run.losePower()) ?? (await run.reopen());
    t.deepEqual(
      again.snapshots().map((snapshot) => snapshot.id),
      [id],
    );
    sameBytes(t, pattern(1, 4096), (await readSnapshot(again, id!, object)).subarray(0, 4096), 'the snapshot');
  });

  check('what has not changed since a snapshot is known to the block', async (t, run) => {
    const store = await run.start();
    const object = await store.create(sizeBytes, 'off');
    await store.write(object, 0, pattern(1, 2 * MiB), false);
    const snapshot = await store.snapshot();
    const all = (): Promise<unknown> | unknown => store.changesSince(object, snapshot, 0, sizeBytes, 100);
    t.deepEqual(await all(), [{ offset: 0, length: sizeBytes, isChanged: false }]);
    await store.write(object, MiB, pattern(2, 4096), false);
    await store.write(object, 3 * MiB, pattern(2, 4096), false);
    const expected = [
      { offset: 0, length: MiB, isChanged: false },
      { offset: MiB, length: 4096, isChanged: true },
      { offset: MiB + 4096, length: 2 * MiB - 4096, isChanged: false },
      { offset: 3 * MiB, length: 4096, isChanged: true },
      { offset: 3 * MiB + 4096, length: MiB - 4096, isChanged: false },
    ];
    t.deepEqual(await all(), expected);
    const again = await run.reopen();
    t.deepEqual(await again.changesSince(object, snapshot, 0, sizeBytes, 100), expected);
  });

  check(
    'where the blocks of a clone come from is told: its own, those of what it was cloned from, of what that was',
    async (t, run) => {
      const store = await run.start();
      const object = await store.create(sizeBytes, 'off');
      await store.write(object, 0, pattern(1, MiB), false);
      const second = await run.pool.cloneStore(run.storeId, await store.snapshot());
      const clone = await run.pool.openStore(second);
      await clone.write(object, 512 * KiB, pattern(2, 8192), false);
      const third = await run.pool.cloneStore(second, await clone.snapshot());
      const last = await run.pool.openStore(third);
      await last.write(object, 2 * MiB, pattern(3, 4096), false);
      const expected = [
        [0, 512 * KiB, 3],
        [512 * KiB, 8192, 2],
        [512 * KiB + 8192, 512 * KiB - 8192, 3],
        [MiB, MiB, 0],
        [2 * MiB, 4096, 1],
        [2 * MiB + 4096, 2 * MiB - 4096, 0],
      ];
      const found = async (of: ObjectStore): Promise<number[][]> =>
        (await of.depths(object, 0, sizeBytes, 100)).map(({ offset, length, depth }) => [offset, length, depth]);
      t.deepEqual(await found(last), expected);
      await run.reopen();
      t.deepEqual(await found(await run.pool.openStore(third)), expected);
      t.deepEqual(
        (await found(await run.pool.openStore(second))).map(([, , depth]) => depth),
        [2, 1, 2, 0],
      );
    },
  );

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    check(`a volume and its snapshots are what was written, whatever comes in between (${seed})`, async (t, run) => {
      const store = await run.start();
      const object = await store.create(sizeBytes, 'off');
      const history = new History(t, run, new SeededRandom(seed), store, object);
      for (let count = 1; count <= 150; count += 1) {
        await history.step();
        if (count % 15 === 0) await history.verify(`after ${count}`);
      }
    });
  }
}
