import { AshlarError, MiB, type Timer } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { checkpointAll, takeAll, type Taken } from './checkpoint.ts';
import type { Journal } from './journal.ts';
import { reclaim } from './reclaim.ts';
import type { PoolParts } from './state.ts';

/** A checkpoint begins at this share of the overlay's or the journal's bound, and at the latest after this time. */
const beginShare = 0.5;
const slowShare = 0.75;
const latestMs = 5000;
/** Bytes of large writes after which one begins: overwritten slots are free again only behind it. */
const freshBytes = 128 * MiB;
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
  #timer: Timer | undefined;
  #closed = false;
  #retryAt = -Infinity;

  constructor(pool: PoolParts, journal: Journal, overlayBytes: number) {
    this.#pool = pool;
    this.#journal = journal;
    this.#overlayBytes = overlayBytes;
  }

  /** Bytes of memory that what is not yet home takes. */
  get debtBytes(): number {
    return this.#pool.arena.usedBytes + this.#pool.overlayChunks.usedBytes;
  }

  /** What an operation must wait for before it adds to the debt. Throws where the pool takes no writes. */
  admit(): Promise<void> | undefined {
    const pool = this.#pool;
    if (pool.state === 'failed' || pool.state === 'read-only') {
      throw new AshlarError(pool.state === 'failed' ? 'io' : 'read-only', pool.reason ?? 'the pool takes no writes');
    }
    const share = this.#share();
    if (share < beginShare) {
      this.#timer ??= pool.host.scheduler.after(latestMs, () => this.#tick());
      return undefined;
    }
    this.begin();
    if (share < slowShare) return undefined;
    if (share < 1) return new Promise<void>((resolve) => pool.host.scheduler.soon(resolve));
    return this.#waitBelow();
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
    this.begin();
    await this.#running?.catch(() => undefined);
  }

  /** Runs `work` while no checkpoint runs. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
    const done = work();
    this.#running = done.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await done;
    } finally {
      this.#running = undefined;
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** The greater of the two debts, as a share of its bound. */
  #share(): number {
    const fresh = (this.#pool.freshSlots * this.#pool.chunkSizeBytes * beginShare) / freshBytes;
    const journal = 1 - this.#journal.freeBytes / this.#journal.capacityBytes;
    // Above two thirds of the journal nobody is let in, so that what is on its way always finds room.
    return Math.max(this.debtBytes / this.#overlayBytes, journal * 1.5, Math.min(slowShare - 0.01, fresh));
  }

  async #waitBelow(): Promise<void> {
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
    const work = this.#pool.deleting.size > 0 || [...this.#pool.stores.values()].some(({ changed }) => changed);
    if (work) this.begin();
  }

  async #checkpoint(clean: boolean): Promise<void> {
    const pool = this.#pool;
    // Rule 5: a pool that failed writes nothing more; what its journal has is recovered by the next start.
    if (pool.state === 'failed') throw new AshlarError('io', pool.reason ?? 'the pool has failed');
    this.#timer?.cancel();
    this.#timer = undefined;
    try {
      const taken = await checkpointAll(
        pool,
        () => this.#take(),
        clean,
        () => pool.group.sync(),
      );
      this.#journal.releaseBefore(taken.position);
    } catch (error) {
      this.#failed(error);
      throw error;
    }
    pool.room.settlePromises(this.debtBytes - (this.debtBytes % blockSize));
    await this.#stand();
    if (pool.deleting.size > 0 && !this.#closed) {
      this.#timer ??= pool.host.scheduler.after(10, () => this.#tick());
    }
  }

  /** Everything that is recorded is appended when the overlays are frozen: in one turn. */
  async #take(): Promise<Taken> {
    const { group } = this.#pool;
    group.endRound();
    while (!group.isIdle) await group.drained();
    this.#pool.freshSlots = 0;
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
