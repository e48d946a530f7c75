import { andThen, type AshlarError, type FlattenProgress, type Settled, type SnapshotId } from '@ashlar/core';
import type { Flights } from './flights.ts';
import type { SeededRandom } from '../seeded-random.ts';
import { blockBytes, Instant } from './snapshot-model.ts';
import { nothingIsLost, readBack, type MayBeLost } from './read-back.ts';
import { Problem, type Stepper } from './stepper.ts';
import type { Finish, SimulatedPool, Volume } from './volume.ts';

const mostSnapshots = 5;
const mostReadBytes = 300_000;

export type SnapshotWorkloadParts = {
  readonly random: SeededRandom;
  readonly flights: Flights;
  readonly note: (line: string) => void;
  readonly problem: (sentence: string) => void;
  /** An operation failed: a problem, unless the disk fails or is full. */
  readonly failed: (name: string, error: AshlarError, mayLackRoom: boolean) => void;
};

/** What a snapshot may have to do with besides its volume. */
export type Surroundings = {
  readonly pool: SimulatedPool;
  readonly all: readonly Volume[];
  /** Something was cloned from that snapshot of the volume. */
  readonly isOrigin: (snapshot: SnapshotId) => boolean;
};

/** Takes, reads and deletes snapshots of volumes at random, and checks every answer. */
export class SnapshotWorkload {
  readonly #parts: SnapshotWorkloadParts;
  /** Memory for the contents of one snapshot. */
  #memory = new Uint8Array(0);

  constructor(parts: SnapshotWorkloadParts) {
    this.#parts = parts;
  }

  /** One operation, beside those in flight. `isOrigin`: something was cloned from that snapshot. */
  issue(volume: Volume, { pool, all, isOrigin }: Surroundings): void {
    const { random } = this.#parts;
    const kind = random.below(10);
    if (all.length > 1 && random.oneIn(3)) return this.#take(all, pool);
    if (volume.snapshots.size === 0 || kind < 4) return this.#take([volume], pool);
    if (kind < 7) return this.#read(volume);
    this.#drop(volume, isOrigin);
  }

  /** Of one volume, or of all at one instant. */
  #take(volumes: readonly Volume[], pool: SimulatedPool): void {
    const { flights, note, failed } = this.#parts;
    // Of two that were not answered nobody could tell which one is there.
    if (volumes.some(({ pending, snapshots }) => pending !== undefined || snapshots.size >= mostSnapshots)) return;
    const stores = volumes.map(({ storeId }) => storeId);
    const event = flights.event(`snapshot of store ${stores.join(' and ')}`);
    note(`[${event.calledAt}] ${event.name}`);
    const instant = new Instant(event.calledAt);
    const pending = volumes.map((volume) => {
      const model = volume.model.snapshot(event.calledAt, instant);
      volume.pending = { event, model };
      return { volume, model };
    });
    const done = (ids: readonly SnapshotId[]): void => {
      event.durable = true;
      instant.narrow([{ from: event.calledAt, to: event.settledAt }]);
      for (const [index, { volume, model }] of pending.entries()) {
        volume.pending = undefined;
        volume.model.widen(model, event.calledAt);
        volume.snapshots.set(ids[index] ?? -1, { model, readers: 0, isDropping: false });
        volume.model.durable(event.calledAt, flights.oldest);
      }
      note(`[${event.settledAt}] ${event.name} done: ${ids.join(' and ')}`);
    };
    const [alone, ...more] = volumes;
    const isReserved = volumes.some((volume) => volume.isReserved);
    flights.start(
      event,
      () =>
        alone !== undefined && more.length === 0
          ? andThen(alone.store.snapshot(), (id): readonly SnapshotId[] => [id])
          : pool.snapshot(stores, true),
      done,
      (error) => {
        // One that is refused was never taken.
        if (isReserved && error.kind === 'no-space') for (const volume of volumes) volume.pending = undefined;
        failed(event.name, error, isReserved);
      },
    );
  }

  #drop(volume: Volume, isOrigin: (snapshot: SnapshotId) => boolean): void {
    const { random, flights, note, failed } = this.#parts;
    const free = [...volume.snapshots].filter(
      ([id, { readers, isDropping }]) => readers === 0 && !isDropping && !isOrigin(id),
    );
    if (free.length === 0) return;
    const [id, snapshot] = random.pick(free);
    snapshot.isDropping = true;
    const event = flights.event(`deletion of snapshot ${id} of store ${volume.storeId}`);
    note(`[${event.calledAt}] ${event.name}`);
    const done = (): void => {
      volume.snapshots.delete(id);
      note(`[${event.settledAt}] ${event.name} done`);
    };
    flights.start(
      event,
      () => volume.store.deleteSnapshot(id),
      done,
      (error) => failed(event.name, error, false),
    );
  }

  #read(volume: Volume): void {
    const { random, flights, problem, failed } = this.#parts;
    const there = [...volume.snapshots].filter(([, { isDropping }]) => !isDropping);
    if (there.length === 0) return;
    const [id, snapshot] = random.pick(there);
    const view = volume.store.openSnapshot(id);
    const size = view.sizeOf(volume.object);
    const wrong = snapshot.model.sawSize(size);
    if (wrong !== undefined) return problem(`snapshot ${id} of store ${volume.storeId}: ${wrong}`);
    const length = Math.min(1 + random.below(mostReadBytes), size);
    const offset = random.below(size - length + 1);
    const bytes = new Uint8Array(length).fill(0xee);
    const event = flights.event(`read of ${length} at ${offset} of snapshot ${id}`);
    snapshot.readers += 1;
    const end = (): void => {
      snapshot.readers -= 1;
      view.close();
    };
    const done = (): void => {
      end();
      const found = snapshot.model.saw(offset, bytes);
      if (found !== undefined) problem(`snapshot ${id} of store ${volume.storeId}: ${found}`);
    };
    flights.start(
      event,
      () => view.read(volume.object, offset, bytes),
      done,
      (error) => {
        end();
        failed(event.name, error, false);
      },
    );
  }

  /** Copies some of what a clone has of its origin, which has nothing to do with it when all is copied. */
  flatten(volume: Volume, flatten: () => Settled<FlattenProgress>): void {
    const { flights, note, failed } = this.#parts;
    const event = flights.event(`flattening of store ${volume.storeId}`);
    note(`[${event.calledAt}] ${event.name}`);
    const done = ({ isDone }: FlattenProgress): void => {
      if (isDone) volume.origin = undefined;
      note(`[${event.settledAt}] ${event.name} ${isDone ? 'done' : 'goes on'}`);
    };
    flights.start(event, flatten, done, (error) => {
      // It has snapshots, or one was on its way.
      if (error.kind === 'busy') note(`${event.name}: ${error.message}`);
      else failed(event.name, error, true);
    });
  }

  /** Reads all of a snapshot, so that all of it is known. Gives the blocks that are lost. */
  async readAll(
    volume: Volume,
    id: SnapshotId,
    stepper: Stepper,
    mayBeLost: MayBeLost = nothingIsLost,
  ): Promise<ReadonlySet<number>> {
    const snapshot = volume.snapshots.get(id);
    if (snapshot === undefined) return new Set();
    const view = volume.store.openSnapshot(id);
    const sizeBytes = view.sizeOf(volume.object);
    if (this.#memory.length < sizeBytes) this.#memory = new Uint8Array(sizeBytes);
    const bytes = this.#memory.subarray(0, sizeBytes).fill(0xee);
    const lost = await readBack(stepper, bytes, (at, part) => view.read(volume.object, at, part), mayBeLost);
    for (const wrong of [snapshot.model.sawSize(sizeBytes), snapshot.model.saw(0, bytes, lost)]) {
      if (wrong !== undefined) throw new Problem(`snapshot ${id} of store ${volume.storeId}: ${wrong}`);
    }
    view.close();
    return lost;
  }

  /** What is called unchanged since a snapshot is what it was. With nothing in flight. */
  async checkChanges(volume: Volume, finish: Finish): Promise<void> {
    const { random, problem } = this.#parts;
    if (volume.snapshots.size === 0 || !volume.model.sizeIsCertain) return;
    const [id, { model }] = random.pick([...volume.snapshots]);
    const later = [...volume.snapshots].filter(([other]) => other > id);
    const after = later.length > 0 && random.oneIn(2) ? random.pick(later) : undefined;
    const view = after === undefined ? undefined : volume.store.openSnapshot(after[0]);
    const size = view?.sizeOf(volume.object) ?? volume.store.sizeOf(volume.object);
    const source = view ?? volume.store;
    let at = 0;
    for (const { offset, length, isChanged } of await finish(() =>
      source.changesSince(volume.object, id, 0, size, 1e6),
    )) {
      if (offset !== at) problem(`the changes since snapshot ${id} leave out or repeat [${at}, ${offset})`);
      at = offset + length;
      for (let block = Math.floor(offset / blockBytes); !isChanged && block * blockBytes < at; block += 1) {
        const now = after === undefined ? volume.model.certain(block) : after[1].model.certain(block);
        const before = model.certain(block);
        if (now === undefined || before === undefined || Buffer.compare(now, before) === 0) continue;
        const until = after === undefined ? '' : ` until snapshot ${after[0]}`;
        problem(`block ${block} is called unchanged since snapshot ${id}${until}, and is other than it was`);
      }
    }
    if (at !== size) problem(`the changes since snapshot ${id} end at ${at} of ${size}`);
    view?.close();
  }
}
