import type { AshlarError, FlattenProgress, Settled, SnapshotId } from '@ashlar/core';
import type { Flights } from './flights.ts';
import type { SeededRandom } from '../seeded-random.ts';
import { blockBytes } from './snapshot-model.ts';
import type { Finish, Volume } from './volume.ts';

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

/** Takes, reads and deletes snapshots of volumes at random, and checks every answer. */
export class SnapshotWorkload {
  readonly #parts: SnapshotWorkloadParts;

  constructor(parts: SnapshotWorkloadParts) {
    this.#parts = parts;
  }

  /** One operation, beside those in flight. `isOrigin`: something was cloned from that snapshot. */
  issue(volume: Volume, isOrigin: (snapshot: SnapshotId) => boolean): void {
    const kind = this.#parts.random.below(10);
    if (volume.snapshots.size === 0 || kind < 4) return this.#take(volume);
    if (kind < 7) return this.#read(volume);
    this.#drop(volume, isOrigin);
  }

  #take(volume: Volume): void {
    const { flights, note, failed } = this.#parts;
    // Of two that were not answered nobody could tell which one is there.
    if (volume.pending !== undefined || volume.snapshots.size >= mostSnapshots) return;
    const event = flights.event(`snapshot of store ${volume.storeId}`);
    note(`[${event.calledAt}] ${event.name}`);
    const model = volume.model.snapshot(event.calledAt);
    volume.pending = { event, model };
    const done = (id: SnapshotId): void => {
      volume.pending = undefined;
      event.durable = true;
      volume.model.widen(model, event.calledAt);
      volume.snapshots.set(id, { model, readers: 0, isDropping: false });
      volume.model.durable(event.calledAt, flights.oldest);
      note(`[${event.settledAt}] ${event.name} done: ${id}`);
    };
    flights.start(
      event,
      () => volume.store.snapshot(),
      done,
      (error) => {
        // One that is refused was never taken.
        if (volume.isReserved && error.kind === 'no-space') volume.pending = undefined;
        failed(event.name, error, volume.isReserved);
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

  /** Reads all of a snapshot, so that all of it is known. */
  async readAll(volume: Volume, id: SnapshotId, finish: Finish): Promise<void> {
    const snapshot = volume.snapshots.get(id);
    if (snapshot === undefined) return;
    const view = volume.store.openSnapshot(id);
    const sizeBytes = view.sizeOf(volume.object);
    const bytes = new Uint8Array(sizeBytes).fill(0xee);
    await finish(() => view.read(volume.object, 0, bytes));
    for (const wrong of [snapshot.model.sawSize(sizeBytes), snapshot.model.saw(0, bytes)]) {
      if (wrong !== undefined) this.#parts.problem(`snapshot ${id} of store ${volume.storeId}: ${wrong}`);
    }
    view.close();
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
