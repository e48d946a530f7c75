import { formatSize, type PoolStatus, type Scheduler, type Timer } from '@ashlar/core';
import type { Logger } from 'pino';

type Room = Pick<PoolStatus, 'capacityBytes' | 'usedBytes' | 'freeBytes' | 'reservedBytes'>;

type Parts = {
  readonly room: () => Promise<Room>;
  /** Percent of the capacity, in any order. */
  readonly warnAt: () => readonly number[];
  readonly scheduler: Scheduler;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
};

/** How often it looks. */
const lookMs = 10_000;

/** Percent that the use must fall below a threshold before that counts as left: what is trimmed and written again warns once. */
const slackPercent = 2;

/** The highest threshold that the use is at, or was and is not clearly below; 0 for none. `before`: what it was. */
function thresholdOf(percent: number, warnAt: readonly number[], before: number): number {
  const reached = warnAt.filter((each) => percent >= each || (each <= before && percent > each - slackPercent));
  return Math.max(0, ...reached);
}

/** The use of a pool in percent of its capacity. */
function usePercent({ usedBytes, capacityBytes }: Room): number {
  return capacityBytes === 0 ? 100 : (usedBytes * 100) / capacityBytes;
}

/** By how much what is reserved is more than there is. */
function missingBytes({ capacityBytes, usedBytes, freeBytes, reservedBytes }: Room): number {
  return reservedBytes - Math.max(0, Math.min(freeBytes, capacityBytes - usedBytes));
}

const mend =
  "trim in the guests, remove snapshots and volumes that are not needed ('ashlar volume ls'), or give the pool more room (pool.capacity, or a larger file system)";

/** Warns, once each, when a pool's use reaches a threshold and when what is reserved does not fit any more. */
export class PoolWatch {
  readonly #parts: Parts;
  #threshold = 0;
  #isOverdrawn = false;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The highest threshold, in percent, that the use has reached; 0: none. As of the last look. */
  get threshold(): number {
    return this.#threshold;
  }

  /** What is short, and what to do. */
  warning(room: Room): string | undefined {
    const missing = missingBytes(room);
    if (missing > 0) {
      return `what is reserved for volumes is ${formatSize(missing)} more than the pool has free: ${mend}`;
    }
    if (thresholdOf(usePercent(room), this.#parts.warnAt(), this.#threshold) === 0) return undefined;
    const { usedBytes, capacityBytes } = room;
    return `${formatSize(usedBytes)} of ${formatSize(capacityBytes)} are used (${usePercent(room).toFixed(0)} %): ${mend}`;
  }

  /** Looks now, and then every so often. */
  async start(): Promise<void> {
    await this.look();
    this.#wait();
  }

  /** Settles when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  async look(): Promise<void> {
    const { logger, room: look, warnAt } = this.#parts;
    const room = await look();
    const percent = Number(usePercent(room).toFixed(1));
    const threshold = thresholdOf(percent, warnAt(), this.#threshold);
    if (threshold > this.#threshold) logger.warn({ percent, threshold }, this.warning(room));
    if (threshold < this.#threshold) {
      logger.info({ percent, threshold: this.#threshold }, 'the use of the pool is below the threshold again');
    }
    this.#threshold = threshold;
    const isOverdrawn = missingBytes(room) > 0;
    if (isOverdrawn && !this.#isOverdrawn) logger.warn(this.warning(room));
    if (!isOverdrawn && this.#isOverdrawn) logger.info('what is reserved for volumes fits into the pool again');
    this.#isOverdrawn = isOverdrawn;
  }

  #wait(): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.scheduler.after(lookMs, () => {
      // A worker that is gone ends the process.
      this.#looking = this.look()
        .catch(() => undefined)
        .finally(() => this.#wait());
    });
  }
}
