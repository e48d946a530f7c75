import { availableParallelism } from 'node:os';
import { GiB, MiB } from '@ashlar/core';

/** How much of everything a run does. */
export type Scale = {
  readonly quick: boolean;
  /** Rounds of the table's rows that have a floor, and of the steady state; each server has its turn in each round. */
  readonly pairs: number;
  /** Rounds of the table's rows that nothing must be reached in; 0: they are left out. */
  readonly otherPairs: number;
  readonly seconds: number;
  /** Size of the disks of the table's rows, all of it written before. */
  readonly diskBytes: number;
  readonly steady: { readonly sizeBytes: number; readonly journalBytes: number; readonly seconds: number };
  readonly footprintBytes: number;
  readonly startBytes: number;
  readonly starts: number;
  /** A disk with so many snapshots. */
  readonly past: { readonly sizeBytes: number; readonly count: number };
  /** A full disk, which is scrubbed. */
  readonly scrubBytes: number;
  /** An image of programs, of which each side keeps a copy. */
  readonly compressedBytes: number;
  /** So many of one that has something in each of its chunks. */
  readonly manySnapshots: number;
};

export function fullScale(pairs = 5, others = 3): Scale {
  return {
    quick: false,
    pairs,
    otherPairs: Math.min(pairs, others),
    seconds: 2,
    diskBytes: 2 * GiB,
    steady: { sizeBytes: 8 * GiB, journalBytes: GiB, seconds: 30 },
    footprintBytes: 100 * GiB,
    startBytes: 1024 * GiB,
    starts: 5,
    past: { sizeBytes: GiB, count: 100 },
    scrubBytes: 8 * GiB,
    compressedBytes: 512 * MiB,
    manySnapshots: 1000,
  };
}

/** Shows that everything works; its figures mean little. */
export function quickScale(pairs = 1, others = pairs): Scale {
  return {
    quick: true,
    pairs,
    otherPairs: Math.min(pairs, others),
    seconds: 0.5,
    diskBytes: 128 * MiB,
    steady: { sizeBytes: 512 * MiB, journalBytes: 64 * MiB, seconds: 3 },
    footprintBytes: 4 * GiB,
    startBytes: 16 * GiB,
    starts: 1,
    past: { sizeBytes: 64 * MiB, count: 10 },
    scrubBytes: GiB,
    compressedBytes: 64 * MiB,
    manySnapshots: 100,
  };
}

export const cores = availableParallelism();
