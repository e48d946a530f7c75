import { KiB, MiB } from '@ashlar/core';
import { openPool, type BrokenRule } from '@ashlar/store';
import { simulate, SimulatedMachine, SimulatedMemory, type Outcome, type RestingPool } from '@ashlar/testing';
import { inspect, isMade, poolRot } from './pool-rot.ts';
import { takeRejection } from './rejections.ts';

export type SeedOptions = {
  readonly seed: number;
  /** How many, or the numbers of those that are left of a history that was cut. */
  readonly operations: number | readonly number[];
  /** A rule of the store that is broken on purpose. */
  readonly broken?: BrokenRule;
  /** Before each start everything that the one before left is checked as `ashlar check` does. */
  readonly checked?: boolean;
};

/** Runs the store's own code through histories on simulated machines, one after the other: a machine has the memory of the one before. */
export class SeedRunner {
  readonly #memory = new SimulatedMemory();

  async run({ seed, operations, broken, checked }: SeedOptions): Promise<Outcome> {
    let isRotten = false;
    const outcome = await simulate({
      seed,
      operations:
        typeof operations === 'number' ? Array.from({ length: operations }, (_, index) => index + 1) : operations,
      machine: () => {
        const machine = new SimulatedMachine(seed, { memory: this.#memory, isDirect: seed % 4 !== 0 });
        machine.makeDurableDirectory('/pool');
        return machine;
      },
      sparesRecords: checked === true,
      rot: {
        check: poolRot.check,
        targets: (pool) => {
          isRotten = true;
          return poolRot.targets(pool);
        },
      },
      openPool: async (resting) => {
        if (checked === true && !isRotten) await check(resting);
        return await openPool(resting.host, '/pool', {
          // A large write is a whole chunk, or one of the pieces of one.
          chunkSizeBytes: [256 * KiB, 64 * KiB, 128 * KiB][seed % 3] ?? 64 * KiB,
          cacheBytes: 512 * KiB,
          mapCacheBytes: 256 * KiB,
          overlayBytes: MiB,
          journalBytes: 10 * MiB,
          recordLogBytes: 4 * KiB,
          deadLeavesAtOnce: 1,
          openRecords: resting.openRecords,
          device: resting.device,
          ...(broken === undefined ? {} : { broken }),
        });
      },
    });
    return { ...outcome, problem: outcome.problem ?? takeRejection() };
  }
}

/** Throws what is wrong with a pool, if there is one. */
async function check(pool: RestingPool): Promise<void> {
  if (!isMade(pool.host)) return;
  const { problems, damage, snapshotDamage } = await inspect(pool, (inspection) => inspection.check());
  const runs = [...damage, ...snapshotDamage].flatMap(({ store, object, damage: found, ...more }) => {
    const state = 'snapshot' in more ? ` in snapshot ${more.snapshot}` : '';
    return found.map(
      ({ offset, length }) => `${length} bytes at ${offset} of object ${object} of store ${store}${state} are damaged`,
    );
  });
  const found = [...problems.map(({ sentence }) => sentence), ...runs];
  if (found.length > 0) throw new Error(`the check says: ${found.join('; ')}`);
}
