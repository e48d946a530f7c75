import { KiB, MiB } from '@ashlar/core';
import type { SeededRandom } from '../seeded-random.ts';

/** What kind of history a seed tells: chosen from the seed, so that each kind comes up often. */
export type Profile = {
  readonly sizeBytes: number;
  /** Operations in flight at once. */
  readonly mostInFlight: number;
  /** Of so many operations one is a crash. */
  readonly crashEach: number;
  /** Of the crashes so many in 10 are losses of power, the others killed processes. */
  readonly powerLossesIn10: number;
  readonly flushEach: number;
  readonly durableEach: number;
  readonly largestWriteBytes: number;
  /** Every other operation is in the first so many bytes, if it is not larger. */
  readonly spotBytes: number;
  /** Tasks of the machine that run between two operations, at most. */
  readonly stepsBetween: number;
  /** Syncs and writes fail now and then. */
  readonly diskFails: boolean;
  /** Bytes that the disk holds for the pool; nothing when it is never full. */
  readonly roomBytes: number | undefined;
  /**
   * Most bytes of data that the pool takes; nothing where only the disk bounds it. Then room is kept for the first volume, as much as it can ever
   * have of its own.
   */
  readonly capacityBytes: number | undefined;
  /** Of so many operations one is of a snapshot; 0 when there are none. */
  readonly snapshotEach: number;
  /** Of so many operations that want to be alone one makes, clones, deletes or rolls back a volume: where disks do not fail. */
  readonly volumesEach: number;
  /** Where the disk fails reads do as well: then little else is seen. */
  readonly readsFail: boolean;
  /** The disk rots when all is over. */
  readonly rots: boolean;
  /** The database is damaged at one of so many crashes, where the disk is well and has room for its log; 0: never. */
  readonly damageEach: number;
  /** Volumes are compressed, now and then, and what is written is such that it can be; blocks of it are zeros. */
  readonly isCompressed: boolean;
  /** Bytes of the device that the pool's data lies on; nothing where it lies in files. Then `roomBytes` is what it has room for. */
  readonly deviceBytes: number | undefined;
};

/** The first volume is at most so many times as large as it is made. */
export const mostGrowth = 2;

/** What a device has that bounds nothing, and what it has in front of the data. */
const ampleBytes = 64 * MiB;
const labelledBytes = MiB;

/**
 * Every other history has snapshots, of each five two are compressed, and one has a pool with a capacity, where the disk is well and has room. One of
 * eleven has its data on a device, where nothing is compressed.
 */
export function profileOf(random: SeededRandom, seed: number): Profile {
  const full = random.oneIn(5);
  const sizeBytes = random.pick([256 * KiB, MiB, 2 * MiB, 4 * MiB]);
  const profile = {
    sizeBytes,
    mostInFlight: random.pick([1, 2, 4, 8]),
    crashEach: random.pick([8, 20, 40, 100]),
    powerLossesIn10: random.pick([3, 8, 10]),
    flushEach: random.pick([4, 10, 30]),
    durableEach: random.pick([3, 10, 1000]),
    largestWriteBytes: random.pick([60 * KiB, 150 * KiB, 256 * KiB, 600 * KiB]),
    spotBytes: random.pick([64 * KiB, 256 * KiB]),
    stepsBetween: random.pick([0, 2, 10, 60]),
    diskFails: !full && random.oneIn(5),
    roomBytes: full ? random.pick([512 * KiB, MiB, 3 * MiB]) : undefined,
    snapshotEach: seed % 2 === 1 ? random.pick([4, 10, 30]) : 0,
    volumesEach: random.pick([2, 4, 20]),
    rots: !random.oneIn(4),
    readsFail: random.oneIn(4),
    damageEach: seed % 3 === 0 ? 3 : 0,
    isCompressed: seed % 5 === 2 || seed % 5 === 3,
    deviceBytes: undefined,
  };
  if (seed % 11 === 10) {
    const deviceBytes = labelledBytes + (profile.roomBytes ?? ampleBytes);
    // What is written over after a rot may need a slot of its own.
    const rots = profile.rots && profile.roomBytes === undefined;
    return { ...profile, isCompressed: false, capacityBytes: undefined, deviceBytes, rots };
  }
  const isBound = seed % 5 === 0 && !full && !profile.diskFails;
  if (!isBound) return { ...profile, capacityBytes: undefined };
  const capacityBytes = sizeBytes * mostGrowth + random.pick([256 * KiB, MiB]);
  // What is written over after a rot would need room of its own.
  return { ...profile, capacityBytes, volumesEach: random.pick([1, 3]), rots: false };
}
