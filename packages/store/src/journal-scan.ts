import type { HostFile } from '@ashlar/host';
import { blockSize } from './checksum.ts';
import {
  decodeHead,
  decodePredecessor,
  decodeRecords,
  headerLengthAt,
  maxHeaderBytes,
  type Frame,
  type JournalRecord,
} from './format/journal-frame.ts';
import { firstOf, type JournalSpan } from './journal-history.ts';

/** Where a frame is: a journal may hold more than memory should. */
export type Found = {
  readonly frame: Frame;
  readonly file: HostFile;
  readonly offset: number;
  /** Its own header is damaged: the frame behind it, whose header says what was in it. */
  readonly behind: Found | undefined;
  /** Other places that may have the same frame: it is written anew where a sync failed (rule 5). */
  readonly elsewhere: Found[];
};

/** So many zeros in a segment that no frame was found in: none is behind them. */
const leastZeros = 16 * blockSize;

/** Bytes that are looked at at once where there are zeros. */
const stepBytes = 16 * blockSize;
const zeros = new Uint8Array(stepBytes);

/** The number of the segment of that path. */
export function segmentOf(path: string): number {
  return Number(path.slice(-6));
}

/** Finds the frames of a history, in the order of their numbers. */
export class JournalScan {
  readonly #files: readonly HostFile[];
  readonly #poolId: string;
  readonly #history: readonly JournalSpan[];
  /** What is looked at. */
  readonly #header: Uint8Array;
  readonly #step: Uint8Array;

  /** `memory` has room for a frame. */
  constructor(files: readonly HostFile[], poolId: string, history: readonly JournalSpan[], memory: Uint8Array) {
    this.#files = files;
    this.#poolId = poolId;
    this.#history = history;
    this.#header = memory.subarray(0, maxHeaderBytes);
    this.#step = memory.subarray(maxHeaderBytes, maxHeaderBytes + stepBytes);
  }

  /** Where one is missing those behind it are found block by block. */
  read(): Found[] {
    const found: Found[] = [];
    for (const file of this.#files) {
      const size = file.size();
      let isUsed = false;
      for (let offset = 0; offset < size;) {
        const item = this.#frameAt(file, offset);
        if (item === undefined) {
          // A segment that begins with zeros is as it was made. Behind a frame they are the end, or what the disk lost.
          const skipped = this.#zerosFrom(file, offset, isUsed ? size : Math.min(size, offset + leastZeros));
          if (skipped === leastZeros && !isUsed) break;
          offset += Math.max(skipped, blockSize);
          continue;
        }
        const { frame } = item;
        if (this.#isPart(frame)) {
          found.push(item);
          isUsed = true;
        }
        offset += frame.headerBytes + frame.dataBlocks * blockSize;
      }
    }
    return this.#chained(found.sort((a, b) => a.frame.number - b.frame.number));
  }

  #isPart({ generation, number }: Frame): boolean {
    return this.#history.some((span) => span.generation === generation && number >= span.number && number < span.until);
  }

  /** Frames whose predecessor is there must name its checksum. One that is missing is known from the one behind it. */
  #chained(sorted: readonly Found[]): Found[] {
    const kept: Found[] = [];
    for (const item of sorted) {
      const { number } = item.frame;
      const before = kept.at(-1)?.frame.number ?? firstOf(this.#history) - 1;
      if (before === number) {
        const last = kept.at(-1);
        if (last?.frame.checksum === item.frame.checksum) last.elsewhere.push(item);
        continue;
      }
      const lost = before < number - 1 ? this.#before(item) : undefined;
      for (const next of lost === undefined ? [item] : [lost, item]) {
        if (!follows(next, kept.at(-1))) return kept;
        kept.push(next);
      }
    }
    return kept;
  }

  /** The frame before one, by what that one's header repeats of it. */
  #before(behind: Found): Found | undefined {
    const copied = decodePredecessor(headerOf(behind), behind.frame);
    if (copied === undefined) return undefined;
    const { frame, segment, offset } = copied;
    const file = this.#files.find(({ path }) => segmentOf(path) === segment);
    if (file === undefined) return undefined;
    // A copy says where a frame was at first. Written anew it lies before the one behind it, unless a segment ended there.
    const near = behind.offset - frame.headerBytes - frame.dataBlocks * blockSize;
    const isElsewhere = near >= 0 && (behind.file !== file || near !== offset);
    const elsewhere = isElsewhere ? [{ frame, file: behind.file, offset: near, behind, elsewhere: [] }] : [];
    return { frame, file, offset, behind, elsewhere };
  }

  #frameAt(file: HostFile, offset: number): Found | undefined {
    const first = this.#header.subarray(0, blockSize);
    if (file.readSync(offset, first) < blockSize) return undefined;
    const length = headerLengthAt(first);
    if (length === 0) return undefined;
    const rest = this.#header.subarray(blockSize, length);
    if (rest.length > 0 && file.readSync(offset + blockSize, rest) < rest.length) return undefined;
    const frame = decodeHead(this.#header.subarray(0, length), this.#poolId);
    return frame === undefined ? undefined : { frame, file, offset, behind: undefined, elsewhere: [] };
  }

  /** Bytes of whole blocks of zeros from `offset` on, up to `end`. */
  #zerosFrom(file: HostFile, offset: number, end: number): number {
    for (let at = offset; at < end; at += stepBytes) {
      const step = this.#step.subarray(0, Math.min(stepBytes, end - at));
      // A file that ends before says nothing of what is not there.
      step.fill(0, file.readSync(at, step));
      if (Buffer.compare(step, zeros.subarray(0, step.length)) === 0) continue;
      const first = step.findIndex((byte) => byte !== 0);
      return at - offset + first - (first % blockSize);
    }
    return end - offset;
  }
}

function follows({ frame }: Found, before: Found | undefined): boolean {
  return before === undefined || before.frame.number + 1 !== frame.number || before.frame.checksum === frame.previous;
}

/** What was in a frame, in the order in which it happened. */
export function recordsOf(found: Found): JournalRecord[] {
  if (found.behind === undefined) return decodeRecords(headerOf(found), found.frame);
  const header = headerOf(found.behind);
  const copied = decodePredecessor(header, found.behind.frame);
  return copied === undefined ? [] : decodeRecords(header, found.frame, copied.recordsAt);
}

/**
 * What was in a frame, and the blocks that it carries, by one read where it is whole. `into` has room for any frame; the blocks lie
 * in it.
 */
export function contentsOf(found: Found, into: Uint8Array): { records: JournalRecord[]; data: Uint8Array } {
  if (found.behind !== undefined) return { records: recordsOf(found), data: dataOf(found, into) };
  const { frame, file, offset } = found;
  const whole = into.subarray(0, frame.headerBytes + frame.dataBlocks * blockSize);
  whole.fill(0, file.readSync(offset, whole));
  const records = decodeRecords(whole.subarray(0, frame.headerBytes), frame);
  return { records, data: whole.subarray(frame.headerBytes) };
}

/** The blocks that a frame carries, in `into`; zeros where they are not there. */
export function dataOf({ frame, file, offset }: Found, into: Uint8Array): Uint8Array {
  const data = into.subarray(0, frame.dataBlocks * blockSize);
  data.fill(0, file.readSync(offset + frame.headerBytes, data));
  return data;
}

export function headerOf({ frame, file, offset }: Found): Uint8Array {
  const header = new Uint8Array(frame.headerBytes);
  file.readSync(offset, header);
  return header;
}
