import { MiB, type Scheduler } from '@ashlar/core';

const lookMs = 1000;
/** The share of a second below which the thread has nothing to do. */
const idleShare = 0.02;
/** Looks in a row that must have found it so: a load that pauses for less than a minute finds everything as it left it. */
const idleLooks = 60;
/** Bytes that must have come since the last time: a server that now and then has a request never stops for it. */
const worthBytes = 64 * MiB;

export type IdleMemoryParts = {
  readonly scheduler: Scheduler;
  /** The share of the time since the last call that the thread worked, 0 to 1. */
  readonly utilization: () => number;
  readonly residentBytes: () => number;
  /** What it took when it had done nothing yet: what its start took on top, as a recovery does, comes back too. */
  readonly floorBytes: number;
  readonly giveBack: () => Promise<void>;
};

/**
 * Has memory given back after a load: what the collector and malloc keep for the next one would stay for good, as neither
 * does anything while nothing is asked of it.
 */
export class IdleMemory {
  readonly #parts: IdleMemoryParts;
  #looks = 0;
  #floorBytes: number;

  constructor(parts: IdleMemoryParts) {
    this.#parts = parts;
    this.#floorBytes = parts.floorBytes;
  }

  /** Looks from now on, as long as the thread lives. */
  watch(): void {
    this.#parts.scheduler.after(lookMs, this.#look);
  }

  readonly #look = (): void => {
    const { scheduler, utilization, residentBytes } = this.#parts;
    this.#looks = utilization() < idleShare ? this.#looks + 1 : 0;
    if (this.#looks >= idleLooks && residentBytes() > this.#floorBytes + worthBytes) void this.#giveBack();
    else scheduler.after(lookMs, this.#look);
  };

  async #giveBack(): Promise<void> {
    const { scheduler, residentBytes, giveBack } = this.#parts;
    // What cannot be given back is told elsewhere, and is there at the next try.
    await giveBack().catch(() => undefined);
    this.#looks = 0;
    this.#floorBytes = residentBytes();
    scheduler.after(lookMs, this.#look);
  }
}
