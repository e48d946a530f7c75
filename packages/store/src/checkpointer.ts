import { AshlarError, GiB, KiB, MiB, type Timer } from '@ashlar/core';
import { hasBackgroundWork } from './background.ts';
import { Pacer } from './pacer.ts';
import { checkpointAll } from './checkpoint.ts';
import type { Journal } from './journal.ts';
import { reclaim } from './reclaim.ts';
import type { PoolParts } from './state.ts';
import { takeAll, type Taken } from './taken.ts';
import { sliceMs } from './turns.ts';

/**
 * A checkpoint begins at this share of the overlay's or the journal's bound, at the latest after this time, and its blocks are home when
 * the debt comes to the second share: under a steady load one follows the other, and each request waits for the same little part of it.
 */
const beginShare = 0.45;
const latestMs = 5000;
const endShare = 0.85;
/** What a checkpoint's slice is longer by where it is late by all of its work, and the longest that one may be. */
const lateMs = 0.3;
const mostSliceMs = 0.2;
/** From here on what is let in is what the rest of the checkpoint leaves time for, so that the second share is not passed. */
const slowShare = 0.9;
const fullShare = 0.97;
/** The part of its expected time that a checkpoint is thought to need still, however long it has taken. */
const leastLeft = 0.1;
/**
 * Large writes after which one begins, as a share of the free room and in bytes: what they overwrote is free only behind it, and
 * what they wrote is looked at by a recovery.
 */
const freshShare = 1 / 8;
const leastFreshBytes = 128 * MiB;
const mostFreshBytes = 4 * GiB;
/** What a byte of debt is thought to take before any checkpoint told. */
const firstMsPerByte = 1 / (256 * KiB);
/** The share of the capacity that is available from which on room counts as short. */
const strayShare = 1 / 10;
/** How long after a checkpoint that met a full disk the next one is tried. */
const retryMs = 500;

/**
 * When checkpoints run, and who waits for them: admission by the debt that they have to work off, so that back-pressure
 * is smooth.
 */
export class Checkpointer {
  readonly #pool: PoolParts;
  readonly #journal: Journal;
  readonly #overlayBytes: number;
  #running: Promise<void> | undefined;
  /** What runs is no checkpoint. */
  #isAlone = false;
  #timer: Timer | undefined;
  #closed = false;
  #retryAt = -Infinity;
  readonly #pacer: Pacer;
  /** Of the running checkpoint: when it began, what it took, and how long that is thought to take. */
  #beganMs = 0;
  #takenBytes = 0;
  #takenShare = 0;
  #expectedMs = 0;
  /** Somebody waits for the running checkpoint, or had to be slowed down during it. */
  #isAwaited = false;
  #isPressed = false;
  /** What a byte of debt took in the checkpoints before that were pressed. */
  #msPerByte = firstMsPerByte;

  constructor(pool: PoolParts, journal: Journal, overlayBytes: number) {
    this.#pool = pool;
    this.#journal = journal;
    this.#overlayBytes = overlayBytes;
    this.#pacer = new Pacer(pool.host.clock, pool.host.scheduler, () => this.#bytesPerMs());
  }

  /** Bytes of memory that what is not yet home takes. */
  get debtBytes(): number {
    return this.#pool.arena.usedBytes + this.#pool.overlayChunks.usedBytes;
  }

  /** What an operation must wait for before it adds so many bytes to the debt. Throws where the pool takes no writes. */
  admit(bytes: number): Promise<void> | undefined {
    const pool = this.#pool;
    if (pool.state === 'failed' || pool.state === 'read-only') {
      throw new AshlarError(pool.state === 'failed' ? 'io' : 'read-only', pool.reason ?? 'the pool takes no writes');
    }
    const share = this.#share();
    if (share < beginShare && !this.#hasMuchFresh()) {
      this.#timer ??= pool.host.scheduler.after(latestMs, () => this.#tick());
      return undefined;
    }
    this.begin();
    if (share < slowShare) return undefined;
    this.#isPressed = true;
    const paced = this.#pacer.admit(bytes);
    return share < 1 && paced === undefined ? undefined : this.#waitBelow(paced);
  }

  /** Runs a checkpoint unless one runs. */
  begin(): void {
    if (this.#running !== undefined || this.#closed) return;
    if (this.#pool.host.clock.monotonicMs() < this.#retryAt) return;
    this.run(false).catch(() => undefined);
  }

  /** Settles when a checkpoint of everything recorded before the call is durable. */
  async run(clean: boolean): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
    this.#running = this.#checkpoint(clean).finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  /** Settles behind a checkpoint, whether it succeeded or not. */
  async relieve(): Promise<void> {
    // What runs alone brings nothing home.
    while (this.#isAlone) await this.#running;
    this.begin();
    this.#isAwaited = true;
    await this.#running?.catch(() => undefined);
  }

  /** Runs `work` while no checkpoint runs. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
    const done = work();
    this.#isAlone = true;
    this.#running = done.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await done;
    } finally {
      this.#isAlone = false;
      this.#running = undefined;
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** The greater of the two debts, as a share of its bound. */
  #share(): number {
    const journal = 1 - this.#journal.freeBytes / this.#journal.capacityBytes;
    // Above two thirds of the journal nobody is let in, so that what is on its way always finds room.
    return Math.max(this.debtBytes / this.#overlayBytes, journal * 1.5);
  }

  /** Bytes of the slots that large writes took since the last checkpoint. */
  get #freshBytes(): number {
    return this.#pool.freshSlots * this.#pool.chunkSizeBytes;
  }

  /** Whether a checkpoint is due for them. Each write asks: as a rule there are too few to look at the room for. */
  #hasMuchFresh(): boolean {
    return this.#freshBytes >= leastFreshBytes && this.#freshShare() >= 1;
  }

  /** The same as a share of what one begins at. */
  #freshShare(): number {
    const bound = Math.min(mostFreshBytes, this.#pool.room.freeBytes * freshShare);
    return this.#freshBytes / Math.max(leastFreshBytes, bound);
  }

  /**
   * How fast the debt may grow: so that it is full when the running checkpoint is expected to end. A checkpoint that takes
   * longer leaves less and less, and never a wall.
   */
  #bytesPerMs(): number {
    if (this.#running === undefined) return Infinity;
    const share = this.#share();
    if (share < slowShare) return Infinity;
    const elapsedMs = this.#pool.host.clock.monotonicMs() - this.#beganMs;
    const leftMs = Math.max(this.#expectedMs - elapsedMs, this.#expectedMs * leastLeft, 1);
    return Math.max(0, ((fullShare - share) * this.#overlayBytes) / leftMs);
  }

  /**
   * How long the next slice of the running checkpoint may be: as its work is ahead of what came in meanwhile, or late. What
   * comes behind the blocks goes on at its own pace.
   */
  #dueMs(done: number): number {
    if (this.#isAwaited || this.#takenShare >= endShare) return mostSliceMs;
    if (done >= 1) return sliceMs;
    const debt = (this.#share() - this.#takenShare) / (endShare - this.#takenShare);
    const late = Math.max(debt, this.#freshShare()) - done;
    return late <= 0 ? 0 : Math.min(sliceMs + late * lateMs, mostSliceMs);
  }

  async #waitBelow(paced: Promise<void> | undefined): Promise<void> {
    await paced;
    while (this.#share() >= 1) {
      const pool = this.#pool;
      if (pool.state === 'failed') throw new AshlarError('io', pool.reason ?? 'the pool has failed');
      this.begin();
      if (this.#running !== undefined) await this.#running.catch(() => undefined);
      else if (pool.state === 'no-space') throw new AshlarError('no-space', pool.reason ?? 'the pool is full');
      else await new Promise<void>((resolve) => pool.host.scheduler.soon(resolve));
    }
  }

  #tick(): void {
    this.#timer = undefined;
    if (this.#closed) return;
    if (hasBackgroundWork(this.#pool) || [...this.#pool.stores.values()].some(({ changed }) => changed)) this.begin();
  }

  async #checkpoint(clean: boolean): Promise<void> {
    const pool = this.#pool;
    // Rule 5: a pool that failed writes nothing more; what its journal has is recovered by the next start.
    if (pool.state === 'failed') throw new AshlarError('io', pool.reason ?? 'the pool has failed');
    if (this.#closed && !clean) throw new AshlarError('closed', 'the pool is closed');
    // Whatever came behind the last one would take back that the pool is closed.
    if (clean) this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#beganMs = pool.host.clock.monotonicMs();
    this.#isPressed = false;
    try {
      const taken = await checkpointAll(pool, {
        take: () => this.#take(),
        clean,
        sync: () => pool.group.sync(),
        dueMs: (done) => this.#dueMs(done),
      });
      this.#journal.releaseBefore(taken.position);
    } catch (error) {
      this.#failed(error);
      throw error;
    } finally {
      this.#isAwaited = false;
    }
    this.#learn(pool.host.clock.monotonicMs() - this.#beganMs);
    pool.room.settle();
    await this.#stand();
    await this.#reclaimStrays();
    if (hasBackgroundWork(this.#pool) && !this.#closed) {
      this.#timer ??= pool.host.scheduler.after(10, () => this.#tick());
    }
  }

  /** What a process that was killed left is looked for when room is short. */
  async #reclaimStrays(): Promise<void> {
    const pool = this.#pool;
    if (!pool.hasStrays || pool.room.availableBytes > pool.room.bounds.capacityBytes * strayShare) return;
    pool.hasStrays = false;
    await reclaim(pool);
  }

  /** Half of what is expected next is what the last one took; a small one says little, and one that had time nothing. */
  #learn(tookMs: number): void {
    if (!this.#isPressed || this.#takenBytes < this.#overlayBytes / 8) return;
    this.#msPerByte = (this.#msPerByte + tookMs / this.#takenBytes) / 2;
  }

  /** Everything that is recorded is appended when the overlays are frozen: in one turn. */
  async #take(): Promise<Taken> {
    const { group } = this.#pool;
    group.endRound();
    while (!group.isIdle) await group.drained();
    this.#takenBytes = this.debtBytes;
    this.#takenShare = this.#share();
    this.#expectedMs = this.#msPerByte * this.#takenBytes;
    this.#pool.freshSlots = 0;
    this.#pool.room.take();
    const taken = takeAll(this.#pool, this.#journal.position);
    if (this.#pool.broken === 'release-before-commit') this.#journal.releaseBefore(taken.position);
    return taken;
  }

  /** The reserve must stand again before new blocks are let in (rule 6). */
  async #stand(): Promise<void> {
    const pool = this.#pool;
    let stands = await pool.room.restore();
    if (!stands && pool.state === 'ok') {
      await reclaim(pool);
      stands = await pool.room.restore();
    }
    if (pool.state === 'no-space' && stands) {
      pool.state = 'ok';
      pool.reason = undefined;
    } else if (!stands && pool.state === 'ok') {
      pool.state = 'no-space';
      pool.reason = 'the disk of the pool is full; free some room and it goes on by itself';
      this.#timer ??= pool.host.scheduler.after(retryMs, () => void this.#stand().catch(() => undefined));
    } else if (!stands)
      this.#timer ??= pool.host.scheduler.after(retryMs, () => void this.#stand().catch(() => undefined));
  }

  #failed(error: unknown): void {
    const pool = this.#pool;
    if (pool.state === 'failed') return;
    if (error instanceof AshlarError && error.kind === 'no-space') {
      if (pool.state !== 'no-space') void reclaim(pool).catch(() => undefined);
      pool.state = 'no-space';
      pool.reason = 'the disk of the pool is full; free some room and it goes on by itself';
      this.#retryAt = pool.host.clock.monotonicMs() + retryMs;
      this.#timer ??= pool.host.scheduler.after(retryMs, () => this.#tick());
      return;
    }
    // Rule 5: nothing is tried again in place. What the journal has is recovered by the next start.
    pool.state = 'failed';
    pool.reason = `the pool could not bring its data home: ${error instanceof Error ? error.message : String(error)}`;
  }
}
