import { KiB, MiB, type ScrubReport } from '@ashlar/core';
import { SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { openPool, type ChunkPool } from '../pool.ts';

const options = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB, chunkSizeBytes: 256 * KiB, scrubBytes: MiB };

const open = (machine: SimulatedMachine): Promise<ChunkPool> =>
  machine.finish(openPool(machine.host, '/pool', { ...options, openRecords: () => machine.openRecords() }));

/** A pool on a machine of its own, with 16 MiB in a volume. */
async function make(seed: number): Promise<{ machine: SimulatedMachine; pool: ChunkPool }> {
  const machine = new SimulatedMachine(seed);
  machine.makeDurableDirectory('/pool');
  const pool = await open(machine);
  const store = await pool.openStore(await machine.finish(pool.createStore()));
  const object = await machine.finish(store.create(64 * MiB, 'off'));
  for (let at = 0; at < 64; at += 8) {
    await machine.finish(store.write(object, at * MiB, new Uint8Array(2 * MiB).fill(at + 1), false));
  }
  await machine.finish(store.sync());
  await machine.finish(pool.checkpoint());
  return { machine, pool };
}

/** Lets the machine run until the scrub has come there. */
async function until(machine: SimulatedMachine, pool: ChunkPool, isThere: (report: ScrubReport) => boolean) {
  for (;;) {
    const report = await pool.scrub({ action: 'status' });
    if (isThere(report)) return report;
    await machine.step();
  }
}

for (const [seed, how] of ['a close', 'a kill', 'a loss of power'].entries()) {
  test(`what ${how} interrupts goes on from where it was, and counts nothing twice`, async (t) => {
    const { machine, pool } = await make(seed);
    await machine.finish(pool.scrub({ action: 'start', bytesPerSecond: MiB / 2 }));
    await until(machine, pool, ({ doneBytes }) => doneBytes >= 9 * MiB);
    if (how === 'a close') await machine.finish(pool.close());
    else machine.crash(how === 'a loss of power');
    const again = await open(machine);
    const { doneBytes } = await again.scrub({ action: 'status' });
    t.true(doneBytes > 0 && doneBytes < 16 * MiB, String(doneBytes));
    const report = await until(machine, again, ({ state }) => state !== 'running');
    t.like(report, { state: 'done', interruptions: 1, bytesPerSecond: MiB / 2, doneBytes: 16 * MiB, damagedBytes: 0 });
    await machine.finish(again.close());
  });
}
