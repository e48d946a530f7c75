import type { BlockDevice, Settled } from '@ashlar/core';
import type { FilePlace, MapRun } from './map.ts';

/** A disk to read, and what is where in it. */
export type CopySource = {
  /** Bytes, in whole sectors. */
  readonly sizeBytes: number;
  read(offset: number, into: Uint8Array): Settled<void>;
  /** Of [from, to), in their order. */
  runs(from: number, to: number): AsyncIterable<MapRun>;
  /** Where a run lies as it is, in a file of this host. */
  placeOf?(run: MapRun): FilePlace | undefined;
};

/** A device as a disk of whole sectors: what its last one has too little of is zeros. */
export function sourceOf(device: BlockDevice, sizeBytes: number, runs: CopySource['runs']): CopySource {
  return {
    sizeBytes,
    runs,
    read(offset, into) {
      const length = Math.max(0, Math.min(into.length, device.sizeBytes - offset));
      into.fill(0, length);
      return length === 0 ? undefined : device.read(offset, into.subarray(0, length));
    },
  };
}

/** Disks one behind the other as one. */
export function concatenated(sources: readonly CopySource[]): CopySource {
  const [only] = sources;
  if (only !== undefined && sources.length === 1) return only;
  let sizeBytes = 0;
  const placed = sources.map((source) => {
    const start = sizeBytes;
    sizeBytes += source.sizeBytes;
    return { source, start };
  });
  const within = (from: number, to: number) =>
    placed.flatMap(({ source, start }) => {
      const [first, last] = [Math.max(from - start, 0), Math.min(to - start, source.sizeBytes)];
      return last > first ? [{ source, start, first, last }] : [];
    });
  return {
    sizeBytes,
    async read(offset, into) {
      for (const { source, start, first, last } of within(offset, offset + into.length)) {
        await source.read(first, into.subarray(start + first - offset, start + last - offset));
      }
    },
    async *runs(from, to) {
      for (const { source, start, first, last } of within(from, to)) {
        for await (const run of source.runs(first, last)) yield { ...run, start: start + run.start };
      }
    },
  };
}

/** A part of a disk as one. */
export function partOf(source: CopySource, start: number, sizeBytes: number): CopySource {
  return {
    sizeBytes,
    read: (offset, into) => source.read(start + offset, into),
    async *runs(from, to) {
      for await (const run of source.runs(start + from, start + to)) yield { ...run, start: run.start - start };
    },
  };
}
