import { KiB, type AshlarError, type Settled } from '@ashlar/core';
import type { SeededRandom } from '../seeded-random.ts';
import type { Event } from './cell.ts';
import type { Flights, Moments } from './flights.ts';
import { mostGrowth, type Profile } from './profile.ts';
import { blockBytes } from './snapshot-model.ts';
import { ScrubWorkload } from './scrub-workload.ts';
import { SnapshotWorkload, type Surroundings } from './snapshot-workload.ts';
import { Refusal, type Stepper } from './stepper.ts';
import type { Finish, SimulatedPool, Volume } from './volume.ts';
import type { VolumeModel } from './volume-model.ts';

/** Of so many words one tells the operation too. */
const ownWordEach = 16;
let pattern = new Uint32Array(0);

/** Bytes that no other operation writes: each 64 of them tell the operation and the place. */
function payload(operation: number, length: number): Uint8Array {
  const count = Math.ceil(length / 4);
  if (pattern.length < count) pattern = new Uint32Array(count).map((_, index) => Math.imul(index + 1, 0x85ebca6b) | 1);
  const words = pattern.slice(0, count);
  const tag = Math.imul(operation, 0x9e3779b1) | 1;
  for (let index = 0; index < count; index += ownWordEach) words[index] = Math.imul(index + 1, 0x85ebca6b) ^ tag;
  return new Uint8Array(words.buffer, 0, length);
}

/** The same by the KiB instead of the word, so that it compresses; of three payloads one is as it is. */
function packablePayload(operation: number, length: number): Uint8Array {
  if (operation % 3 === 0) return payload(operation, length);
  const values = new Uint32Array(payload(operation, Math.ceil(length / KiB) * 4).slice().buffer);
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let index = 0; index < words.length; index += 1) words[index] = values[index >>> 8] ?? 0;
  return new Uint8Array(words.buffer, 0, length);
}

type Range = { readonly offset: number; readonly length: number };

export type WorkloadParts = {
  readonly random: SeededRandom;
  readonly profile: Profile;
  readonly flights: Flights;
  readonly moments: Moments;
  /** The disk fails in this machine's life, so that `io` is an answer. */
  readonly mayFail: () => boolean;
  readonly note: (line: string) => void;
  readonly problem: (sentence: string) => void;
};

/** Asks a store for random operations, keeps the model in step, and checks every answer. */
export class Workload {
  readonly #parts: WorkloadParts;
  #operations = 0;
  /** An operation failed as `io`: the pool may be failed, and wants a restart. */
  sawFailure = false;
  readonly snapshots: SnapshotWorkload;
  readonly scrubs: ScrubWorkload;

  constructor(parts: WorkloadParts) {
    this.#parts = parts;
    const { random, flights, note, problem, mayFail } = parts;
    const failed = (name: string, error: AshlarError, mayLackRoom: boolean): void =>
      this.#failed(name, error, mayLackRoom);
    this.snapshots = new SnapshotWorkload({ random, flights, note, problem, failed });
    this.scrubs = new ScrubWorkload({ random, flights, note, problem, failed, mayFail });
  }

  /** The process has ended: another one comes. */
  ended(): void {
    this.sawFailure = false;
    this.scrubs.ended();
  }

  /** Whether the next operation wants to be alone; it is then asked for by `issueAlone`. */
  wantsToBeAlone(): boolean {
    return this.#parts.random.oneIn(20);
  }

  /** One operation, beside those in flight. */
  issue(volume: Volume, surroundings: Surroundings): void {
    const { random, profile } = this.#parts;
    this.#operations += 1;
    if (profile.snapshotEach > 0 && random.oneIn(profile.snapshotEach)) {
      return this.snapshots.issue(volume, surroundings);
    }
    if (random.oneIn(profile.flushEach)) return this.#flush(volume);
    const kind = random.below(100);
    if (kind < 53) return this.#write(volume);
    if (kind < 73) return this.#read(volume);
    if (kind < 80) return this.#trim(volume);
    if (kind < 87) return this.#zero(volume);
    if (kind < 94) return this.#commit(volume);
    if (kind < 96) return this.#getRecord(volume);
    if (kind < 98) return this.#checkpoint(surroundings.pool);
    this.scrubs.issue(surroundings.pool);
  }

  /** One operation that nothing else is in flight with. */
  async issueAlone(volume: Volume, pool: SimulatedPool, stepper: Stepper): Promise<void> {
    const { mayFail } = this.#parts;
    try {
      await this.#doAlone(volume, pool, stepper);
    } catch (error) {
      if (!(error instanceof Refusal) || error.kind !== 'io' || !mayFail()) throw error;
      this.sawFailure = true;
    }
  }

  async #doAlone(volume: Volume, pool: SimulatedPool, stepper: Stepper): Promise<void> {
    const { random, profile } = this.#parts;
    const finish: Finish = (operation) => stepper.finish('a check', operation);
    await this.#lookAtUncertain(volume, finish);
    const kind = random.below(10);
    if (kind < 3 && profile.snapshotEach > 0) await this.snapshots.checkChanges(volume, finish);
    else if (kind < 6) this.#truncate(volume);
    else if (kind < 7) await this.scrubs.finish(pool, stepper);
    else if (kind < 8 && profile.roomBytes === undefined) this.#giveBack(pool);
    else await this.#checkExtents(volume, finish);
  }

  /** An offset and length, whole blocks or not, that touch no block whose bytes are uncertain in part only. */
  #range({ model }: Volume, mostBytes: number): Range {
    const { random, profile } = this.#parts;
    const size = model.sizeBytes;
    const length = Math.min(1 + random.below(mostBytes), size);
    const spot = random.oneIn(2) ? Math.min(size, profile.spotBytes) : size;
    const offset = random.below(Math.max(spot - length, 0) + 1);
    if (model.touchesEdge(offset, length)) return { offset, length: 0 };
    if (random.oneIn(3) && this.#edgesAreCertain(model, offset, length)) return { offset, length };
    const start = offset - (offset % blockBytes);
    const end = Math.min(Math.ceil((offset + length) / blockBytes) * blockBytes, size);
    if (this.#edgesAreCertain(model, start, end - start)) return { offset: start, length: end - start };
    return { offset: start, length: 0 };
  }

  #edgesAreCertain(model: VolumeModel, offset: number, length: number): boolean {
    const end = offset + length;
    if (offset % blockBytes !== 0 && !model.isCertain(offset, 1)) return false;
    return end % blockBytes === 0 || length === 0 || model.isCertain(end - 1, 1);
  }

  #change(volume: Volume, event: Event, durable: boolean, operation: () => Settled<void>, needsRoom: boolean): void {
    const { flights, note } = this.#parts;
    const { model } = volume;
    note(`[${event.calledAt}] ${event.name}`);
    const done = (): void => {
      event.durable = durable;
      if (durable) model.durable(event.calledAt, flights.oldest);
      note(`[${event.settledAt}] ${event.name} done`);
    };
    flights.start(event, operation, done, (error) =>
      this.#failed(event.name, error, needsRoom && this.#mayLackRoom(volume)),
    );
  }

  /** The disk may be full, or what the pool may take of it; then not to a volume that room is kept for. */
  #mayLackRoom({ isReserved }: Volume): boolean {
    const { roomBytes, capacityBytes } = this.#parts.profile;
    return roomBytes !== undefined || (capacityBytes !== undefined && !isReserved);
  }

  #failed(name: string, error: AshlarError, mayLackRoom: boolean): void {
    const { note, problem, mayFail } = this.#parts;
    note(`${name} failed: ${error.kind}: ${error.message}`);
    if (error.kind === 'no-space' && mayLackRoom) {
      // It may have been done in part: the next look at what is uncertain tells.
    } else if (mayFail()) this.sawFailure = true;
    else problem(`${name} failed with ${error.kind}: ${error.message}`);
  }

  #durable(): boolean {
    return this.#parts.random.oneIn(this.#parts.profile.durableEach);
  }

  #write(volume: Volume): void {
    const { random, profile, flights } = this.#parts;
    const { model, store, object } = volume;
    const range = this.#range(
      volume,
      random.pick([blockBytes, 4 * blockBytes, 4 * blockBytes, profile.largestWriteBytes]),
    );
    if (range.length === 0) return;
    const durable = this.#durable();
    const bytes = (profile.isCompressed ? packablePayload : payload)(this.#operations, range.length);
    const event = flights.event(`${durable ? 'durable ' : ''}write of ${range.length} at ${range.offset}`);
    // What a snapshot has as well, or what is compressed, is written to a new place.
    const isMoved = profile.snapshotEach > 0 || profile.isCompressed;
    const needsRoom = isMoved || !model.holdsData(range.offset, range.length);
    if (profile.isCompressed && random.oneIn(4)) this.#writeWithZeros(model, event, range, bytes);
    else model.write(event, range.offset, range.length, bytes);
    this.#change(volume, event, durable, () => store.write(object, range.offset, bytes, durable), needsRoom);
  }

  /** Some whole blocks of what is written are zeros: the store has a hole there. */
  #writeWithZeros(model: VolumeModel, event: Event, { offset, length }: Range, bytes: Uint8Array): void {
    const first = Math.ceil(offset / blockBytes);
    const end = Math.floor((offset + length) / blockBytes);
    const from = first + this.#parts.random.below(Math.max(0, end - first) + 1);
    const to = Math.max(from, Math.min(end, from + 1 + this.#parts.random.below(20)));
    const [start, stop] = to > from ? [from * blockBytes - offset, to * blockBytes - offset] : [length, length];
    bytes.fill(0, start, stop);
    for (const [at, till, isZero] of [
      [0, start, false],
      [start, stop, true],
      [stop, length, false],
    ] as const) {
      if (till > at) model.write(event, offset + at, till - at, isZero ? undefined : bytes.subarray(at, till));
    }
  }

  #trim(volume: Volume): void {
    const { random, profile, flights } = this.#parts;
    const { model, store, object } = volume;
    const range = this.#range(volume, random.pick([blockBytes, profile.largestWriteBytes]));
    if (range.length === 0) return;
    const durable = this.#durable();
    const event = flights.event(`${durable ? 'durable ' : ''}trim of ${range.length} at ${range.offset}`);
    const partial = range.offset % blockBytes !== 0 || range.length % blockBytes !== 0;
    model.write(event, range.offset, range.length, undefined);
    this.#change(volume, event, durable, () => store.trim(object, range.offset, range.length, durable), partial);
  }

  #zero(volume: Volume): void {
    const { random, profile, flights } = this.#parts;
    const { model, store, object } = volume;
    const range = this.#range(volume, random.pick([blockBytes, profile.largestWriteBytes]));
    if (range.length === 0) return;
    const durable = this.#durable();
    const keep = random.oneIn(3);
    const event = flights.event(
      `${durable ? 'durable ' : ''}zero${keep ? ' (kept)' : ''} of ${range.length} at ${range.offset}`,
    );
    model.write(event, range.offset, range.length, undefined);
    this.#change(volume, event, durable, () => store.zero(object, range.offset, range.length, keep, durable), true);
  }

  #commit(volume: Volume): void {
    const { random, flights } = this.#parts;
    const { model, store } = volume;
    const changes = new Map<string, string | null>();
    for (let count = random.between(1, 4); count > 0; count -= 1) {
      changes.set(
        `k${random.below(12)}`,
        random.oneIn(4) ? null : `${this.#operations}:${'v'.repeat(random.below(300))}`,
      );
    }
    const durable = this.#durable();
    const event = flights.event(`${durable ? 'durable ' : ''}commit of ${[...changes.keys()].join(' ')}`);
    model.commit(event, changes);
    const records = [...changes].map(([key, value]) => ({
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    }));
    this.#change(volume, event, durable, () => store.commit(records, durable), true);
  }

  #checkpoint(pool: SimulatedPool): void {
    this.#background('checkpoint', () => pool.checkpoint());
  }

  /** As a thread does that has nothing else to do. */
  #giveBack(pool: SimulatedPool): void {
    this.#background('memory given back', () => pool.giveBack());
  }

  #background(name: string, operation: () => Promise<void>): void {
    const { flights, note } = this.#parts;
    const event = flights.event(name);
    note(`[${event.calledAt}] ${name}`);
    flights.start(
      event,
      operation,
      () => note(`[${event.settledAt}] ${name} done`),
      (error) => this.#failed(name, error, true),
    );
  }

  #flush(volume: Volume): void {
    const { flights, note, problem, mayFail } = this.#parts;
    const { model, store } = volume;
    const event = flights.event('flush');
    note(`[${event.calledAt}] flush`);
    const done = (): void => {
      model.durable(event.calledAt, flights.oldest);
      note(`[${event.settledAt}] flush of [${event.calledAt}] done`);
    };
    flights.start(
      event,
      () => store.sync(),
      done,
      (error) => {
        note(`flush failed: ${error.kind}: ${error.message}`);
        if (mayFail()) this.sawFailure = true;
        else problem(`a flush failed with ${error.kind}: ${error.message}`);
      },
    );
  }

  #read(volume: Volume): void {
    const { random, profile, flights, problem } = this.#parts;
    const { model, store, object } = volume;
    const size = model.sizeBytes;
    const length = Math.min(1 + random.below(random.pick([blockBytes, profile.largestWriteBytes])), size);
    const offset = random.below(size - length + 1);
    if (length === 0 || !model.sizeIsCertain) return;
    const bytes = new Uint8Array(length).fill(0xee);
    const event = flights.event(`read of ${length} at ${offset}`);
    const done = (): void => {
      const wrong = model.checkRead(offset, bytes, event.calledAt, event.settledAt);
      if (wrong !== undefined) problem(wrong);
    };
    flights.start(
      event,
      () => store.read(object, offset, bytes),
      done,
      (error) => this.#readFailed(event, error),
    );
  }

  #getRecord(volume: Volume): void {
    const { random, flights, problem } = this.#parts;
    const { model, store } = volume;
    const key = `k${random.below(12)}`;
    const event = flights.event(`get of ${key}`);
    const done = (value: Uint8Array | undefined): void => {
      const found = value === undefined ? null : Buffer.from(value).toString();
      const wrong = model.checkRecord(key, found, event.calledAt, event.settledAt);
      if (wrong !== undefined) problem(wrong);
    };
    flights.start(
      event,
      () => store.getRecord(Buffer.from(key)),
      done,
      (error) => this.#readFailed(event, error),
    );
  }

  #readFailed(event: Event, error: AshlarError): void {
    if (this.#parts.mayFail()) this.sawFailure = true;
    else this.#parts.problem(`${event.name} failed with ${error.kind}: ${error.message}`);
  }

  #truncate(volume: Volume): void {
    const { random, profile, flights } = this.#parts;
    const { model, store, object } = volume;
    const sizeBytes = random.oneIn(2) ? profile.sizeBytes : 1 + random.below(profile.sizeBytes * mostGrowth);
    if (!model.sizeIsCertain || !model.isCertain(0, model.sizeBytes)) return;
    const event = flights.event(`truncate to ${sizeBytes}`);
    model.truncate(event, sizeBytes);
    this.#change(volume, event, false, () => store.truncate(object, sizeBytes), true);
  }

  /** Extents cover the object, and none that is not data holds data; the accounting agrees with them. */
  async #checkExtents(volume: Volume, finish: Finish): Promise<void> {
    const { problem } = this.#parts;
    const { model, store, object } = volume;
    const size = store.sizeOf(object);
    if (size === 0 || this.sawFailure) return;
    let at = 0;
    let allocated = 0;
    for (const { offset, length, state } of await finish(() => store.extents(object, 0, size, 1e6))) {
      if (offset !== at) problem(`the extents leave out or repeat [${at}, ${offset})`);
      at = offset + length;
      if (state !== 'hole')
        allocated += Math.ceil(at / blockBytes) * blockBytes - Math.floor(offset / blockBytes) * blockBytes;
      for (let block = offset; state !== 'data' && block + blockBytes <= at; block += blockBytes) {
        if (model.holdsData(block, blockBytes)) problem(`the extents call the data at ${block} a ${state}`);
      }
    }
    if (at !== size) problem(`the extents end at ${at}, the object at ${size}`);
    const { allocatedBytes, uncompressedBytes } = await finish(() => store.spaceOf(object));
    const taken = this.#parts.profile.isCompressed ? uncompressedBytes : allocatedBytes;
    if (taken !== allocated) problem(`the object takes ${taken} bytes, its extents ${allocated}`);
  }

  /** Reads what several operations in flight at once, or one that failed, left nobody knows how. */
  async #lookAtUncertain(volume: Volume, finish: Finish): Promise<void> {
    const { moments } = this.#parts;
    const { model, store, object } = volume;
    if (!model.sizeIsCertain) model.sawSize(store.sizeOf(object), moments.next());
    for (const block of model.uncertainBlocks(200)) {
      const bytes = new Uint8Array(Math.min(blockBytes, model.sizeBytes - block * blockBytes));
      await finish(() => store.read(object, block * blockBytes, bytes));
      this.#looked(model.checkRead(block * blockBytes, bytes, moments.next(), moments.next()));
      model.sawBlock(block, bytes, moments.next());
    }
    for (const key of model.uncertainRecords()) {
      const value = await finish(() => store.getRecord(Buffer.from(key)));
      const found = value === undefined ? null : Buffer.from(value).toString();
      this.#looked(model.checkRecord(key, found, moments.next(), moments.next()));
      model.sawRecord(key, found, moments.next());
    }
  }

  #looked(wrong: string | undefined): void {
    if (wrong !== undefined) this.#parts.problem(wrong);
  }
}
