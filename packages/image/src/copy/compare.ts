import { isZero, MiB } from '@ashlar/core';
import type { MapRun } from './map.ts';
import type { CopySource } from './source.ts';

/** What two disks have in common, by the rules of `qemu-img compare`. */
export type Comparison =
  | { readonly isSame: true; readonly sizesDiffer: boolean }
  | { readonly isSame: false; readonly by: 'size' }
  | {
      readonly isSame: false;
      readonly by: 'status' | 'contents';
      readonly offset: number;
      /** One of them is as the other up to its end. */
      readonly isBehindEnd: boolean;
    };

/** One of the disks could not be looked at. */
export class CompareError extends Error {
  override readonly name = 'CompareError';
  /** 0 or 1: which of them. */
  readonly disk: number;
  /** Its map, or its contents. */
  readonly of: 'map' | 'contents';
  readonly offset: number;

  constructor(disk: number, of: 'map' | 'contents', offset: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.disk = disk;
    this.of = of;
    this.offset = offset;
  }
}

type Options = {
  /** Sizes, and what is data, zeros or nothing, must be the same as well. */
  readonly isStrict: boolean;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
};

const stepBytes = 2 * MiB;
const sectorBytes = 512;

/** One disk as it is walked through. */
class Side {
  readonly #source: CopySource;
  readonly #disk: number;
  readonly #runs: AsyncIterator<MapRun>;
  readonly #buffer = new Uint8Array(stepBytes);
  #run: MapRun | undefined;

  constructor(source: CopySource, disk: number) {
    this.#source = source;
    this.#disk = disk;
    this.#runs = source.runs(0, source.sizeBytes)[Symbol.asyncIterator]();
  }

  get sizeBytes(): number {
    return this.#source.sizeBytes;
  }

  /** The run that an offset is in; offsets only grow. */
  async runAt(offset: number): Promise<MapRun> {
    try {
      while (this.#run === undefined || offset >= this.#run.start + this.#run.length) {
        const next = await this.#runs.next();
        if (next.done === true) throw new Error(`its map ends before ${offset}`);
        this.#run = next.value;
      }
      return this.#run;
    } catch (error) {
      throw new CompareError(this.#disk, 'map', offset, error);
    }
  }

  /** Valid until the next read. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = this.#buffer.subarray(0, length);
    try {
      await this.#source.read(offset, bytes);
      return bytes;
    } catch (error) {
      throw new CompareError(this.#disk, 'contents', offset, error);
    }
  }
}

/** Compares two disks up to the first difference. Fails with `CompareError`. */
export async function compareDisks(one: CopySource, other: CopySource, options: Options): Promise<Comparison> {
  const { isStrict, progress } = options;
  const sides = [new Side(one, 0), new Side(other, 1)] as const;
  const sizesDiffer = one.sizeBytes !== other.sizeBytes;
  if (isStrict && sizesDiffer) return { isSame: false, by: 'size' };
  const end = Math.min(one.sizeBytes, other.sizeBytes);
  const totalBytes = Math.max(one.sizeBytes, other.sizeBytes);
  for (let at = 0; at < end;) {
    const [first, second] = [await sides[0].runAt(at), await sides[1].runAt(at)];
    if (isStrict && statusOf(first) !== statusOf(second)) {
      return { isSame: false, by: 'status', offset: at, isBehindEnd: false };
    }
    const length = Math.min(end, first.start + first.length, second.start + second.length) - at;
    const found = await differenceAt(sides, [first, second], at, length);
    if (found.offset !== undefined) return { isSame: false, by: 'contents', offset: found.offset, isBehindEnd: false };
    at += found.length;
    progress(at, totalBytes);
  }
  const larger = sides[one.sizeBytes > other.sizeBytes ? 0 : 1];
  for (let at = end; at < totalBytes;) {
    const run = await larger.runAt(at);
    const most = run.start + run.length - at;
    const length = isToRead(run) ? Math.min(most, stepBytes) : most;
    const offset = isToRead(run) ? nonZeroIn(await larger.read(at, length)) : undefined;
    if (offset !== undefined) return { isSame: false, by: 'contents', offset: at + offset, isBehindEnd: true };
    at += length;
    progress(at, totalBytes);
  }
  return { isSame: true, sizesDiffer };
}

/** What strictness compares: is it data, zeros, told by the disk itself, and does it lie somewhere. */
const statusOf = ({ data, isBehindBacking, offset, present, zero }: MapRun): string =>
  [data, zero, present || isBehindBacking, offset !== undefined].join();

const isToRead = ({ data, zero }: MapRun): boolean => data && !zero;

/** Where the sides differ, or how many bytes are the same. */
async function differenceAt(
  sides: readonly [Side, Side],
  runs: readonly [MapRun, MapRun],
  at: number,
  most: number,
): Promise<{ readonly offset: number | undefined; readonly length: number }> {
  const reads = runs.map(isToRead);
  if (!reads.includes(true)) return { offset: undefined, length: most };
  const length = Math.min(most, stepBytes);
  const read = async (side: number): Promise<Uint8Array> => await sides[side as 0 | 1].read(at, length);
  const within = reads.includes(false)
    ? nonZeroIn(await read(reads[0] === true ? 0 : 1))
    : otherIn(...((await Promise.all([read(0), read(1)])) as [Uint8Array, Uint8Array]));
  return { offset: within === undefined ? undefined : at + within, length };
}

/** Where the first sector begins that is not the same. */
function otherIn(one: Uint8Array, other: Uint8Array): number | undefined {
  if (Buffer.compare(one, other) === 0) return undefined;
  return firstSector(one.length, (from, to) => Buffer.compare(one.subarray(from, to), other.subarray(from, to)) !== 0);
}

function nonZeroIn(bytes: Uint8Array): number | undefined {
  return isZero(bytes) ? undefined : firstSector(bytes.length, (from, to) => !isZero(bytes, from, to));
}

function firstSector(length: number, differs: (from: number, to: number) => boolean): number {
  let at = 0;
  while (!differs(at, Math.min(length, at + sectorBytes))) at += sectorBytes;
  return at;
}
