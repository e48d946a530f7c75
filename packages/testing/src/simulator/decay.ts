import type { SeededRandom } from '../seeded-random.ts';
import type { Flights, Moments } from './flights.ts';
import type { Machine } from './machine.ts';
import { letRot, mayBeLost, restingOn, type CheckedPool, type Rot, type Rotten } from './rot.ts';
import type { ScrubWorkload } from './scrub-workload.ts';
import { blockBytes } from './snapshot-model.ts';
import { Problem, type Stepper } from './stepper.ts';
import type { End, Verifier } from './verifier.ts';
import type { SimulatedPool, Volume } from './volume.ts';
import type { Volumes } from './volumes.ts';

export type DecayParts = {
  readonly random: SeededRandom;
  readonly machine: Machine;
  readonly flights: Flights;
  readonly moments: Moments;
  readonly stepper: Stepper;
  readonly volumes: Volumes;
  readonly verifier: Verifier;
  readonly scrubs: ScrubWorkload;
  readonly rot: Rot;
  /** Frames of the journal may be in two places. */
  readonly hasCopies: boolean;
  readonly open: () => Promise<SimulatedPool>;
  /** Closes the pool and ends its process; nothing where it failed. */
  readonly close: () => Promise<{ readonly powerLost: boolean } | undefined>;
  readonly note: (line: string) => void;
};

/**
 * What a pool does whose disk rots while nobody has it open. A check and a scrub find it; what is read is right or `corrupt`, and
 * `corrupt` only where the check says so; what is written over is well again.
 */
export class Decay {
  readonly #parts: DecayParts;

  constructor(parts: DecayParts) {
    this.#parts = parts;
  }

  /** The process ended like that. */
  async run(end: End): Promise<void> {
    const { random, machine, stepper, rot, note, open, verifier } = this.#parts;
    const targets = await stepper.finish('looking for what may rot', () => rot.targets(restingOn(machine)));
    // Also under a pool that is open: what it has read is in its caches then.
    const isOpen = end.clean && random.oneIn(2);
    const pool = isOpen ? await this.#openWhole(end) : undefined;
    const rotten = letRot(machine, random, targets, end.clean);
    if (rotten === undefined) return pool === undefined ? void (await this.#openWhole(end)) : undefined;
    note(`a bit flips in ${rotten.flips.join(', ')}`);
    // There is room for what is written over.
    machine.setRoom(undefined);
    if (pool !== undefined) await this.#scrub(pool, rotten, 0);
    const ended = pool === undefined ? end : await this.#close();
    const checked = await this.#check();
    // What a later frame writes again is nobody's loss, nor is a frame that a failed sync had written elsewhere.
    const isNobodys = rotten.kind === 'frame-data' || (rotten.kind === 'frame-header' && this.#parts.hasCopies);
    if (checked.isWhole && !isNobodys) {
      throw new Problem(`a check finds nothing wrong, and a bit has flipped in ${rotten.flips.join(', ')}`);
    }
    const again = await open();
    await verifier.verify(ended, (volume, snapshot) => mayBeLost(checked, volume, snapshot));
    const lost = [...verifier.lost.values()].reduce((sum, { size }) => sum + size, verifier.lostOfSnapshots);
    note(`${lost} blocks are lost`);
    await this.#scrub(again, rotten, lost);
    if (rotten.kind !== 'page' && rotten.kind !== 'checksums') await this.#mend(again);
  }

  async #openWhole(end: End): Promise<SimulatedPool> {
    const pool = await this.#parts.open();
    await this.#parts.verifier.verify(end);
    return pool;
  }

  /** Finds what has rotted at home, and what of the journal has cost somebody a block. */
  async #scrub(pool: SimulatedPool, { kind, flips }: Rotten, lost: number): Promise<void> {
    const { scrubs, stepper } = this.#parts;
    const { damagedBytes, damagedPages } = await scrubs.finish(pool, stepper);
    if (damagedBytes + damagedPages > 0 || (lost === 0 && kind.startsWith('frame'))) return;
    throw new Problem(`a scrub finds nothing wrong, and a bit has flipped in ${flips.join(', ')}`);
  }

  async #close(): Promise<End> {
    const closed = await this.#parts.close();
    if (closed === undefined) throw new Problem('the pool failed when it was closed');
    return { ...closed, clean: true };
  }

  async #check(): Promise<CheckedPool> {
    const { machine, stepper, rot } = this.#parts;
    return await stepper.finish('the check', () => rot.check(restingOn(machine)));
  }

  /** What is written over is well again; snapshots stay as they are. */
  async #mend(pool: SimulatedPool): Promise<void> {
    const { stepper, open, verifier } = this.#parts;
    for (const [volume, blocks] of verifier.lost) {
      for (const block of blocks) await this.#writeOver(volume, block);
    }
    await stepper.finish('checkpoint', () => pool.checkpoint());
    const end = await this.#close();
    const checked = await this.#check();
    const left = checked.damage.filter(({ snapshot }) => snapshot === undefined);
    if (left.length > 0) throw new Problem(`what was written over is still damaged: ${JSON.stringify(left)}`);
    await open();
    await verifier.verify(end, (volume, snapshot) => mayBeLost(checked, volume, snapshot));
  }

  async #writeOver(volume: Volume, block: number): Promise<void> {
    const { flights, moments, stepper } = this.#parts;
    const { store, object, model } = volume;
    const offset = block * blockBytes;
    const bytes = new Uint8Array(Math.min(blockBytes, store.sizeOf(object) - offset)).fill(block + 1);
    const event = flights.event(`write over the lost block ${block}`);
    model.write(event, offset, bytes.length, bytes);
    await stepper.finish(event.name, () => store.write(object, offset, bytes, true));
    event.settledAt = event.endedAt = moments.next();
    event.durable = true;
  }
}
