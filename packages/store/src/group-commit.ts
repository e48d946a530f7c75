import { AshlarError, assert, isPromise, settle } from '@ashlar/core';
import type { Clock, Scheduler } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import type { BlockArena } from './block-arena.ts';
import type { DataFiles } from './data-files.ts';
import { FrameBuilder } from './format/journal-frame.ts';
import type { Journal } from './journal.ts';
import type { BrokenRule } from './broken-rule.ts';

/** So much of a sync's time the next one waits for those whom it answered, and no longer than that. */
const gatheringShare = 0.25;
const mostGatheringMs = 1;

/** Turns in which the clock does not go on, as it does not in a simulation. */
const mostIdleTurns = 4;

/** What arrived in one turn: one frame, one append, one promise for everybody in it. */
type Batch = {
  readonly builder: FrameBuilder;
  readonly parts: Uint8Array[];
  /** Blocks of the arena that nobody looks at any more, but that this batch or one before it still has to write. */
  readonly retired: number[];
  readonly appended: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

/** A sync that has not begun: whoever asks for one joins it. */
type NextSync = {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Those who wait for it. */
  waiters: number;
};

export type GroupCommitParts = {
  readonly journal: Journal;
  readonly data: DataFiles;
  readonly arena: BlockArena;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  /** Told once, when nothing can be written any more. */
  readonly failed: (error: AshlarError) => void;
  /** After so many bytes a sync runs though nobody asked for it. */
  readonly trickleBytes: number;
  readonly broken: BrokenRule | undefined;
};

/**
 * Group append and group sync. Everything recorded in one turn of the loop becomes one frame; a flush joins the sync
 * that has not started: at most one runs and one waits (rule 2). Those whom a sync answered ask again soon: the next one waits for as
 * many, for a small part of its time, so that they share one and do not take turns in two. Who is alone waits for nobody.
 */
export class GroupCommit {
  readonly #journal: Journal;
  readonly #data: DataFiles;
  readonly #broken: BrokenRule | undefined;
  readonly #scheduler: Scheduler;
  readonly #failed: (error: AshlarError) => void;
  readonly #arena: BlockArena;
  readonly #trickleBytes: number;
  readonly #spare: FrameBuilder[] = [];
  #open: Batch;
  #queue: Batch[] = [];
  #appending = false;
  #scheduled = false;
  #next: NextSync | undefined;
  #isRunning = false;
  /** What the last sync leads to expect: so many wait for the next one, until then. */
  #expected: { readonly waiters: number; readonly untilMs: number } = { waiters: 0, untilMs: 0 };
  readonly #clock: Clock;
  #failure: AshlarError | undefined;
  #syncs = 0;
  #unsyncedBytes = 0;

  constructor({ journal, data, arena, scheduler, clock, failed, trickleBytes, broken }: GroupCommitParts) {
    this.#broken = broken;
    this.#arena = arena;
    this.#journal = journal;
    this.#data = data;
    this.#scheduler = scheduler;
    this.#clock = clock;
    this.#failed = failed;
    this.#trickleBytes = trickleBytes;
    this.#open = this.#newBatch();
  }

  get syncs(): number {
    return this.#syncs;
  }

  get failure(): AshlarError | undefined {
    return this.#failure;
  }

  /** The builder to add one record of that size to; `added` must follow. */
  record(fieldBytes: number, dataBlocks: number): FrameBuilder {
    if (!this.#open.builder.fits(fieldBytes, dataBlocks)) this.#seal();
    assert(this.#open.builder.fits(fieldBytes, dataBlocks), 'a record fits an empty frame');
    return this.#open.builder;
  }

  /** One more block of the record that is being added. */
  part(bytes: Uint8Array): void {
    this.#open.parts.push(bytes);
  }

  /** The record is complete. Settles when it is appended. */
  added(): Promise<void> {
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#scheduler.soon(() => this.endRound());
    }
    return this.#open.appended;
  }

  /** A block of the arena that was overwritten: free once everything recorded until now is appended. */
  retire(block: number): void {
    this.#open.retired.push(block);
  }

  /** Nothing is recorded that is not appended. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#open.builder.isEmpty;
  }

  /** Appends what has arrived. The data plane calls it once a round, before replies go out. */
  endRound(): void {
    this.#scheduled = false;
    if (!this.#open.builder.isEmpty) this.#seal();
  }

  /** Settles when everything recorded until now is appended. */
  async drained(): Promise<void> {
    this.endRound();
    while (this.#queue.length > 0) await this.#queue.at(-1)?.appended;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Rule 2: data files with new slots first, then the journal. */
  sync(): Promise<void> {
    const next = this.#nextSync();
    next.waiters += 1;
    return next.promise;
  }

  #nextSync(): NextSync {
    if (this.#next !== undefined) return this.#next;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // One that is let out bit by bit has nobody who waits: who must know of a failure hears of it at the next operation.
    promise.catch(() => undefined);
    this.#next = { promise, resolve, reject, waiters: 0 };
    if (!this.#isRunning) void this.#run();
    return this.#next;
  }

  /**
   * Small writes of so many bytes are in the journal. What gathers in the caches below is let out bit by bit: a flush that comes
   * late stops everything else for as long as all of it takes. Large writes are let out by the checkpoints that they bring about:
   * a stream of them moves as many bytes either way, and the same stop cut into many would slow it from the first moment on.
   */
  #wrote(bytes: number): void {
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes < this.#trickleBytes || this.#isRunning || this.#failure !== undefined) return;
    this.#nextSync();
  }

  /** Syncs, one after the other, as long as somebody waits. */
  async #run(): Promise<void> {
    // It counts as running before it appends anything: an append may ask for a sync itself.
    this.#isRunning = true;
    await Promise.resolve();
    for (let next = this.#next; next !== undefined; next = this.#next) {
      try {
        await this.#gathered(next);
        this.#unsyncedBytes = 0;
        await this.drained();
        // What is written from here on may be missed: who comes now waits for the one behind.
        this.#next = undefined;
        await this.#syncNow(next.waiters);
        next.resolve();
      } catch (error) {
        if (this.#next === next) this.#next = undefined;
        next.reject(error);
      }
    }
    this.#isRunning = false;
  }

  /** Settles when as many wait as may be expected, or no longer do. */
  async #gathered(next: NextSync): Promise<void> {
    const { untilMs, waiters } = this.#expected;
    let idleTurns = 0;
    for (let nowMs = this.#clock.monotonicMs(); next.waiters < waiters && nowMs < untilMs;) {
      await new Promise<void>((resolve) => this.#scheduler.soon(resolve));
      const before = nowMs;
      nowMs = this.#clock.monotonicMs();
      // A clock that stands still would be waited for for ever.
      idleTurns = nowMs === before ? idleTurns + 1 : 0;
      if (idleTurns === mostIdleTurns) return;
    }
  }

  async #syncNow(waiters: number): Promise<void> {
    this.#syncs += 1;
    const begunMs = this.#clock.monotonicMs();
    try {
      // A frame that comes while the data files are synced may point to a slot that they missed.
      const number = this.#journal.lastNumber;
      if (this.#broken !== 'flush-skips-data') await this.#data.syncNamed();
      await this.#journal.sync(number);
    } catch (error) {
      // Rule 5: it is never tried again in place. The bytes of large writes are not in memory, and what the journal had in
      // memory is gone as well, or could not be made durable elsewhere.
      throw this.#fail(error);
    }
    const nowMs = this.#clock.monotonicMs();
    const waitMs = Math.min((nowMs - begunMs) * gatheringShare, mostGatheringMs);
    this.#expected = { waiters: waiters + (this.#next?.waiters ?? 0), untilMs: nowMs + waitMs };
  }

  #seal(): void {
    this.#queue.push(this.#open);
    this.#open = this.#newBatch();
    this.#pump();
  }

  #pump(): void {
    while (!this.#appending) {
      const batch = this.#queue[0];
      if (batch === undefined) return;
      if (this.#failure !== undefined) {
        this.#queue.shift();
        batch.reject(this.#failure);
        continue;
      }
      const carried = batch.builder.dataBlocks * blockSize;
      const bytes = this.#journal.bytesOf(batch.builder);
      if (!this.#journal.hasRoom(bytes)) {
        this.#later(this.#journal.waitForRoom());
        return;
      }
      let sync = true;
      settle(
        () => this.#journal.append(batch.builder, batch.parts),
        () => {
          this.#appended(batch, sync);
          this.#wrote(carried);
        },
        (error) => {
          this.#fail(error);
          this.#appended(batch, sync);
        },
      );
      if (this.#queue[0] === batch) this.#appending = true;
      sync = false;
    }
  }

  #appended(batch: Batch, sync: boolean): void {
    this.#queue.shift();
    if (this.#failure === undefined) {
      batch.resolve();
      batch.builder.reset();
      batch.parts.length = 0;
      for (const block of batch.retired) this.#arena.release(block);
      if (this.#spare.length < 4) this.#spare.push(batch.builder);
    } else batch.reject(this.#failure);
    if (sync) return;
    this.#appending = false;
    this.#pump();
  }

  #later(room: Promise<void>): void {
    this.#appending = true;
    const goOn = (): void => {
      this.#appending = false;
      this.#pump();
    };
    room.then(goOn, (error: unknown) => {
      this.#fail(error);
      goOn();
    });
  }

  #fail(error: unknown): AshlarError {
    if (this.#failure === undefined) {
      this.#failure = new AshlarError(
        'io',
        'the pool has failed: a write to its disk did not succeed; restart the server when the disk is well again',
        {},
        error,
      );
      this.#failed(this.#failure);
    }
    return this.#failure;
  }

  #newBatch(): Batch {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Who waits hears of a failure; a batch that nobody waits for must not end the process.
    promise.catch(() => undefined);
    return {
      builder: this.#spare.pop() ?? new FrameBuilder(),
      parts: [],
      retired: [],
      appended: promise,
      resolve,
      reject,
    };
  }
}

/** Settles `first`, then `second`: a durable operation waits for its append, then for the sync that covers it. */
export async function thenSync(first: void | Promise<void>, group: GroupCommit): Promise<void> {
  if (isPromise(first)) await first;
  await group.sync();
}
