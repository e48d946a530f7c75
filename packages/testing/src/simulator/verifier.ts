import type { Settled, SnapshotId } from '@ashlar/core';
import type { Moments } from './flights.ts';
import { nothingIsLost, readBack, type MayBeLost } from './read-back.ts';
import type { SnapshotWorkload } from './snapshot-workload.ts';
import { Problem, type Stepper } from './stepper.ts';
import type { SimulatedPool, Volume } from './volume.ts';
import type { Volumes } from './volumes.ts';

export type VerifierParts = {
  readonly moments: Moments;
  readonly stepper: Stepper;
  readonly snapshots: SnapshotWorkload;
  readonly volumes: Volumes;
  readonly pool: () => SimulatedPool;
  readonly note: (line: string) => void;
};

/** How the process ended that was there before. */
export type End = {
  readonly powerLost: boolean;
  /** The pool was closed. */
  readonly clean: boolean;
};

/** What may be lost of a volume, as it is or as a snapshot has it. */
export type Damage = (volume: Volume, snapshot: SnapshotId | undefined) => MayBeLost;

const noDamage: Damage = () => nothingIsLost;

/** Reads everything that a recovery left and asks the models. */
export class Verifier {
  readonly #parts: VerifierParts;
  #lossGeneration = 0;
  /** Memory for the contents of one volume. */
  #memory = new Uint8Array(0);

  constructor(parts: VerifierParts) {
    this.#parts = parts;
  }

  /** Remembers what a pool says when nothing is lost yet. */
  begin(lossGeneration: number): void {
    this.#lossGeneration = lossGeneration;
  }

  /** Blocks of each volume, and how many of snapshots, that were lost when all was read last. */
  readonly lost = new Map<Volume, ReadonlySet<number>>();
  lostOfSnapshots = 0;

  async verify({ powerLost, clean }: End, damage = noDamage): Promise<void> {
    const { volumes } = this.#parts;
    this.lost.clear();
    this.lostOfSnapshots = 0;
    const unsure = new Set(volumes.all.filter(isUnsure));
    await volumes.reopen();
    let lost = false;
    let lossGeneration = 0;
    for (const volume of volumes.all) {
      ({ lossGeneration } = volume.store);
      lost = (await this.#verifyVolume(volume, powerLost, unsure.has(volume), damage)) || lost;
    }
    const before = this.#lossGeneration;
    this.#lossGeneration = lossGeneration;
    if (lost && lossGeneration <= before) {
      throw new Problem(`something acknowledged was lost and the loss generation stayed ${before}`);
    }
    if ((!powerLost || clean) && lossGeneration !== before) {
      throw new Problem(`nothing was lost and the loss generation went from ${before} to ${lossGeneration}`);
    }
  }

  /** Gives whether something that was acknowledged is lost. */
  async #verifyVolume(volume: Volume, powerLost: boolean, unsure: boolean, damage: Damage): Promise<boolean> {
    const { stepper, moments, note, volumes, snapshots } = this.#parts;
    const { store, storeId, object, model } = volume;
    // What a killed process left of an operation that it never answered is not on the disk for certain.
    if (unsure && !powerLost) await stepper.finish('sync', () => store.sync());
    const bytes = this.#room(store.sizeOf(object));
    const read = (offset: number, part: Uint8Array): Settled<void> => store.read(object, offset, part);
    const corrupt = await readBack(stepper, bytes, read, damage(volume, undefined));
    this.lost.set(volume, corrupt);
    const records = await stepper.finish('scanning the records', () =>
      store.scanRecords(new Uint8Array(0), Uint8Array.of(255, 255), 10_000),
    );
    const text = records.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()] as const);
    volumes.wentBack(volume, bytes);
    const { problem, lost } = model.recover({ bytes, records: new Map(text), corrupt }, moments.next(), powerLost);
    if (problem !== undefined) throw new Problem(problem);
    const there = [...volume.snapshots.keys()];
    note(
      `recovered ${bytes.length} bytes, ${records.length} records and the snapshots ${there.join(' ')} of store ${storeId}${lost ? '; some was lost' : ''}`,
    );
    for (const id of there) {
      this.lostOfSnapshots += (await snapshots.readAll(volume, id, stepper, damage(volume, id))).size;
    }
    return lost;
  }

  #room(length: number): Uint8Array {
    if (this.#memory.length < length) this.#memory = new Uint8Array(length);
    return this.#memory.subarray(0, length).fill(0xee);
  }
}

function isUnsure({ pending, snapshots }: Volume): boolean {
  return pending !== undefined || [...snapshots.values()].some(({ isDropping }) => isDropping);
}
