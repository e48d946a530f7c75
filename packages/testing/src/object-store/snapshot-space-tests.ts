import { KiB, MiB, type ObjectId, type ObjectStore, type SnapshotId, type Space } from '@ashlar/core';
import type { ExecutionContext } from 'ava';
import { pattern } from '../block-device/subject.ts';
import { SeededRandom } from '../seeded-random.ts';
import type { StoreTest } from './subject.ts';

const blockBytes = 4096;
const blocks = (2 * MiB) / blockBytes;

/** With more a store may copy together what lies in many pieces, and what was not written is shared no longer. */
const mostTaken = 3;

/** By block: which operation wrote it or kept room for it last; 0 where there is a hole. What was not written since is shared. */
type Versions = Uint32Array;

function spaceOf(versions: Versions, beside: readonly (Versions | undefined)[]): Space {
  let [allocated, own] = [0, 0];
  for (const [block, version] of versions.entries()) {
    if (version === 0) continue;
    allocated += 1;
    if (beside.every((other) => other?.[block] !== version)) own += 1;
  }
  const [allocatedBytes, exclusiveBytes] = [allocated * blockBytes, own * blockBytes];
  return {
    virtualBytes: versions.length * blockBytes,
    allocatedBytes,
    exclusiveBytes,
    sharedBytes: allocatedBytes - exclusiveBytes,
    uncompressedBytes: allocatedBytes,
  };
}

/** A volume with its snapshots, beside a model of which of them has what. */
class SpaceHistory {
  readonly #random: SeededRandom;
  readonly #object: ObjectId;
  #operations = 0;
  #taken = 0;
  readonly #live: Versions = new Uint32Array(blocks);
  readonly #snapshots = new Map<SnapshotId, Versions>();

  constructor(random: SeededRandom, object: ObjectId) {
    this.#random = random;
    this.#object = object;
  }

  async step(store: ObjectStore): Promise<void> {
    const random = this.#random;
    const kind = random.below(12);
    if (kind < 6) await this.#write(store);
    else if (kind < 8) await this.#clear(store);
    else if (kind < 11 && this.#taken < mostTaken) {
      this.#taken += 1;
      this.#snapshots.set(await store.snapshot(), this.#live.slice());
    } else if (this.#snapshots.size > 0 && random.oneIn(3)) {
      const id = random.pick([...this.#snapshots.keys()]);
      await store.deleteSnapshot(id);
      this.#snapshots.delete(id);
    }
  }

  async #write(store: ObjectStore): Promise<void> {
    this.#operations += 1;
    const count = Math.min(this.#random.pick([1, 3, 20, 100]), blocks);
    const first = this.#random.below(blocks - count + 1);
    await store.write(this.#object, first * blockBytes, pattern(this.#operations, count * blockBytes), false);
    this.#live.fill(this.#operations, first, first + count);
  }

  async #clear(store: ObjectStore): Promise<void> {
    this.#operations += 1;
    const count = this.#random.pick([1, 10, 64]);
    const first = this.#random.below(blocks - count + 1);
    await store.trim(this.#object, first * blockBytes, count * blockBytes, false);
    this.#live.fill(0, first, first + count);
  }

  async verify(t: ExecutionContext, store: ObjectStore, when: string): Promise<void> {
    const ids = [...this.#snapshots.keys()].toSorted((a, b) => a - b);
    const states = [...ids.map((id) => this.#snapshots.get(id)!), this.#live];
    t.deepEqual(await store.spaceOf(this.#object), spaceOf(this.#live, [states.at(-2)]), `${when}: the volume`);
    const { allocatedBytes, uncompressedBytes } = spaceOf(this.#live, []);
    t.deepEqual(await store.usageOf(this.#object), { allocatedBytes, uncompressedBytes }, when);
    for (const [index, id] of ids.entries()) {
      const view = store.openSnapshot(id);
      const expected = spaceOf(states[index]!, [states[index - 1], states[index + 1]]);
      t.deepEqual(await view.spaceOf(this.#object), expected, `${when}: the snapshot ${id}`);
      view.close();
    }
  }
}

/** What volumes with snapshots take, and what of it is their own. */
export function snapshotSpaceTests(check: StoreTest): void {
  for (const seed of [1, 2, 3]) {
    check(`space of a volume and of its snapshots is exact, whatever comes in between (${seed})`, async (t, run) => {
      let store = await run.start();
      const object = await store.create(blocks * blockBytes, 'off');
      const history = new SpaceHistory(new SeededRandom(seed), object);
      for (let count = 1; count <= 80; count += 1) {
        await history.step(store);
        if (count % 20 === 0) await history.verify(t, store, `after ${count}`);
        if (count % 40 === 0) store = await run.reopen();
      }
      await history.verify(t, store, 'after opening again');
    });
  }

  check('what a clone takes is shared until it writes, and comes back when it is deleted', async (t, run) => {
    const store = await run.start();
    const object = await store.create(MiB, 'off');
    await store.write(object, 0, pattern(1, 512 * KiB), false);
    const cloneId = await run.pool.cloneStore(run.storeId, await store.snapshot());
    const clone = await run.pool.openStore(cloneId);
    t.like(await clone.space(), { allocatedBytes: 512 * KiB, exclusiveBytes: 0, sharedBytes: 512 * KiB });
    await clone.write(object, 0, pattern(2, 64 * KiB), false);
    await clone.write(object, 512 * KiB, pattern(2, 4096), false);
    const expected = { allocatedBytes: 516 * KiB, exclusiveBytes: 68 * KiB, sharedBytes: 448 * KiB };
    t.like(await clone.space(), expected);
    t.like(await store.space(), { allocatedBytes: 512 * KiB, exclusiveBytes: 0 });
    await run.reopen();
    t.like(await (await run.pool.openStore(cloneId)).space(), expected);
  });
}
