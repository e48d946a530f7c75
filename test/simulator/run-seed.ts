import { KiB, MiB } from '@ashlar/core';
import { openPool, type BrokenRule } from '@ashlar/store';
import { simulate, SimulatedMachine, type Outcome } from '@ashlar/testing';

export type SeedOptions = {
  readonly seed: number;
  readonly operations: number;
  /** A rule of the store that is broken on purpose. */
  readonly broken?: BrokenRule;
};

/** Runs the store's own code through one history on a simulated machine. */
export async function runSeed({ seed, operations, broken }: SeedOptions): Promise<Outcome> {
  return await simulate({
    seed,
    operations,
    machine: (random) => {
      const machine = new SimulatedMachine(random.below(2 ** 32));
      machine.makeDurableDirectory('/pool');
      return machine;
    },
    openPool: ({ host, records }) =>
      openPool(host, '/pool', {
        // A large write is a whole chunk, or one of the pieces of one.
        chunkSizeBytes: [256 * KiB, 64 * KiB, 128 * KiB][seed % 3] ?? 64 * KiB,
        cacheBytes: 512 * KiB,
        mapCacheBytes: 256 * KiB,
        overlayBytes: MiB,
        journalBytes: 10 * MiB,
        openRecords: () => records,
        ...(broken === undefined ? {} : { broken }),
      }),
  });
}
