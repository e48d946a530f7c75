import { KiB, MiB, type RecordStore } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { openPool, PoolInspection, type BrokenRule } from '@ashlar/store';
import { simulate, SimulatedMachine, type Outcome } from '@ashlar/testing';

export type SeedOptions = {
  readonly seed: number;
  readonly operations: number;
  /** A rule of the store that is broken on purpose. */
  readonly broken?: BrokenRule;
  /** Before each start everything that the one before left is checked as `ashlar check` does. */
  readonly checked?: boolean;
};

/** Runs the store's own code through one history on a simulated machine. */
export async function runSeed({ seed, operations, broken, checked }: SeedOptions): Promise<Outcome> {
  return await simulate({
    seed,
    operations,
    machine: (random) => {
      const machine = new SimulatedMachine(random.below(2 ** 32));
      machine.makeDurableDirectory('/pool');
      return machine;
    },
    openPool: async ({ host, records }) => {
      if (checked === true) await check(host, records);
      return await openPool(host, '/pool', {
        // A large write is a whole chunk, or one of the pieces of one.
        chunkSizeBytes: [256 * KiB, 64 * KiB, 128 * KiB][seed % 3] ?? 64 * KiB,
        cacheBytes: 512 * KiB,
        mapCacheBytes: 256 * KiB,
        overlayBytes: MiB,
        journalBytes: 10 * MiB,
        deadLeavesAtOnce: 1,
        openRecords: () => records,
        ...(broken === undefined ? {} : { broken }),
      });
    },
  });
}

/** Throws what is wrong with a pool, if there is one. */
async function check(host: Host, records: RecordStore): Promise<void> {
  if (host.stat('/pool/ashlar.pool') === undefined) return;
  const view: RecordStore = {
    get: (key) => records.get(key),
    scan: (from, to, visit) => records.scan(from, to, visit),
    commit: (changes) => records.commit(changes),
    close: () => Promise.resolve(),
  };
  const inspection = PoolInspection.open(host, '/pool', { openRecords: () => view });
  const { problems, damage, snapshotDamage } = await inspection.check();
  await inspection.close();
  const runs = [...damage, ...snapshotDamage].flatMap(({ store, object, damage: found, ...more }) => {
    const state = 'snapshot' in more ? ` in snapshot ${more.snapshot}` : '';
    return found.map(
      ({ offset, length }) => `${length} bytes at ${offset} of object ${object} of store ${store}${state} are damaged`,
    );
  });
  const found = [...problems.map(({ sentence }) => sentence), ...runs];
  if (found.length > 0) throw new Error(`the check says: ${found.join('; ')}`);
}
