import type { RecordStore } from '@ashlar/core';
import type { Host } from '@ashlar/host';

/** Syncs and writes fail, or reads as well. */
export type Failing = 'nothing' | 'writes' | 'everything';

/** A whole simulated computer as the simulation drives it: nothing happens in it but by `step`. */
export interface Machine {
  /** The host of the process that runs now; a crash brings another. */
  readonly host: Host;
  /** Bytes its disk has room for, and what fails on it now and then; changes take effect at once. */
  setRoom(roomBytes: number | undefined): void;
  setFailing(failing: Failing): void;
  /** Something failed since the machine was last started. */
  readonly hasFailed: boolean;
  openRecords(): RecordStore;
  /** Makes a disk of its own of that size, all zeros, which stays whatever happens. */
  makeDevice(path: string, sizeBytes: number): void;
  /** What it does by chance goes on from that seed. */
  restartChance(seed: number): void;
  /** Flips one bit of what is on its disk. */
  flipBit(path: string, offset: number): void;
  /** Damages the database while no process runs. Says how. */
  damageRecords(): string;
  /** Runs the next task that falls due and the promises that hang on it; false when there is none. */
  step(): Promise<boolean>;
  /** Kills the process; with `powerLost` the machine too, and any part of what was not synced is lost. */
  crash(powerLost: boolean): void;
}
