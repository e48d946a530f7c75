import { assert } from '@ashlar/core';

/** Buckets an octave: the upper bound of a bucket is at most a quarter above its lower one. */
const subBuckets = 4;
const octaves = 27;

/** Buckets of every histogram: 1 µs to 134 s; what is beyond falls into the last. */
export const bucketCount = octaves * subBuckets;

/** The least whole number of microseconds that falls into a bucket above `index`. */
export function bucketUpperMicros(index: number): number {
  assert(index >= 0 && index < bucketCount, `bucket ${index} does not exist`);
  const octave = Math.floor(index / subBuckets);
  return (2 ** octave * (subBuckets + (index % subBuckets) + 1)) / subBuckets;
}

/**
 * Counts durations in fixed logarithmic buckets. Recording allocates nothing and costs a few operations; the counts are
 * in memory that may be shared, so that another thread reads them without asking.
 */
export class LatencyHistogram {
  readonly counts: Float64Array;

  constructor(counts: Float64Array) {
    assert(counts.length === bucketCount, `a histogram has ${bucketCount} buckets, not ${counts.length}`);
    this.counts = counts;
  }

  record(durationMs: number): void {
    const micros = Math.min(Math.max(durationMs * 1000, 1), 2 ** octaves - 1) | 0;
    const octave = 31 - Math.clz32(micros);
    const sub = octave < 2 ? (micros << (2 - octave)) & 3 : (micros >> (octave - 2)) & 3;
    const index = octave * subBuckets + sub;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
  }

  get total(): number {
    let sum = 0;
    for (const count of this.counts) sum += count;
    return sum;
  }

  /** The duration in microseconds that `part` (0–1) of all do not exceed, rounded up to its bucket; 0 when nothing was recorded. */
  quantileMicros(part: number): number {
    const wanted = part * this.total;
    let seen = 0;
    for (const [index, count] of this.counts.entries()) {
      seen += count;
      if (count > 0 && seen >= wanted) return bucketUpperMicros(index);
    }
    return 0;
  }
}
