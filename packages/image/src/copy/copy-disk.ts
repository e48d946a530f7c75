import { alignDown, alignUp, AshlarError, MiB, zeroRuns, type Settled } from '@ashlar/core';
import type { FilePlace, MapRun } from './map.ts';
import type { CopySource } from './source.ts';
import type { CopyTarget } from './target.ts';

export type CopyOptions = {
  /** Requests under way at once. */
  readonly requests: number;
  /** So many bytes of zeros in a row are not written as data; 0: all of the disk is. */
  readonly sparseBytes: number;
  /** Writes need not come in the order of their offsets, where a target would like that. */
  readonly isUnordered: boolean;
  /** Default false. Data goes from file to file within the system where it can: zeros in it stay data. */
  readonly isOffloaded?: boolean;
  /** What of the source is to be there afterwards; `skip`: the target has it already. */
  readonly kindOf: (run: MapRun) => 'data' | 'zero' | 'skip';
  /** Told of what cannot be read: it is zeros then. Without it that is an error. */
  readonly salvaged?: ((offset: number, error: unknown) => void) | undefined;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
};

/** What the system is asked to copy at once. */
const offloadBytes = 64 * MiB;
/** Of what cannot be read so little is lost. */
const sectorBytes = 512;

/** `place`: of data that the system may copy. */
type Piece = {
  readonly offset: number;
  readonly length: number;
  readonly kind: 'data' | 'zero';
  readonly place?: FilePlace | undefined;
};

/**
 * Copies all of a disk to a target that is at least as large: holes stay holes, zeros in data become such, and several requests are under way, each
 * with memory for what its target takes at once. What was written before a failure stays.
 */
export async function copyDisk(source: CopySource, target: CopyTarget, options: CopyOptions): Promise<void> {
  await new Copy(source, target, options).run();
}

class Copy {
  readonly #source: CopySource;
  readonly #target: CopyTarget;
  readonly #options: CopyOptions;
  readonly #pieces: AsyncGenerator<Piece>;
  /** Settles when whatever comes before the next piece is written. */
  #last: Promise<void> = Promise.resolve();
  readonly #isOrdered: boolean;
  #isOffloaded: boolean;
  #failed = false;

  constructor(source: CopySource, target: CopyTarget, options: CopyOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#isOrdered = target.isOrdered && !options.isUnordered;
    this.#isOffloaded = options.isOffloaded ?? false;
    this.#pieces = piecesOf(source, target, options);
  }

  async run(): Promise<void> {
    const lanes = Array.from({ length: this.#options.requests }, () => this.#lane());
    const ended = await Promise.allSettled(lanes);
    const failure = ended.find((each) => each.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
    this.#options.progress(this.#source.sizeBytes, this.#source.sizeBytes);
  }

  async #lane(): Promise<void> {
    let buffer: Uint8Array | undefined;
    while (!this.#failed) {
      const next = await this.#pieces.next();
      if (next.done === true) return;
      const before = this.#last;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#last = promise;
      try {
        buffer ??= new Uint8Array(laneBytes(this.#target));
        await this.#copyPiece(next.value, buffer, this.#isOrdered ? before : undefined);
      } catch (error) {
        this.#failed = true;
        throw error;
      } finally {
        resolve();
      }
    }
  }

  async #copyPiece(piece: Piece, buffer: Uint8Array, before: Promise<void> | undefined): Promise<void> {
    const { kind, length, offset, place } = piece;
    if (place !== undefined && (await this.#offload(place, offset, length))) return;
    if (kind === 'zero') return await this.#copy(piece, buffer, before);
    for (let at = 0; at < length; at += buffer.length) {
      await this.#copy({ offset: offset + at, length: Math.min(buffer.length, length - at), kind }, buffer, before);
    }
  }

  /** False where the system cannot do that between these two, of which it is not asked any more. */
  async #offload(place: FilePlace, offset: number, length: number): Promise<boolean> {
    if (!this.#isOffloaded) return false;
    try {
      await this.#target.copyFrom!(place, offset, length);
    } catch (error) {
      if (!(error instanceof AshlarError && error.kind === 'unsupported')) throw error;
      this.#isOffloaded = false;
      return false;
    }
    this.#options.progress(offset + length, this.#source.sizeBytes);
    return true;
  }

  async #copy({ offset, length, kind }: Piece, buffer: Uint8Array, before: Promise<void> | undefined): Promise<void> {
    const bytes = buffer.subarray(0, Math.min(buffer.length, length));
    if (kind === 'data') await this.#read(offset, bytes);
    await before;
    if (this.#failed) return;
    if (kind === 'data') await this.#write(offset, bytes);
    else await this.#target.zero(offset, length);
    this.#options.progress(offset + length, this.#source.sizeBytes);
  }

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    const { sparseBytes } = this.#options;
    if (sparseBytes === 0) return await this.#target.write(offset, bytes);
    const writing: Settled<void>[] = [];
    for (const run of zeroRuns(bytes, Math.max(sparseBytes, this.#target.unitBytes))) {
      const { start, end } = run;
      if (!run.isZero) writing.push(this.#target.write(offset + start, bytes.subarray(start, end)));
      else if (!this.#target.isZero) writing.push(this.#target.zero(offset + start, end - start));
    }
    await Promise.all(writing);
  }

  async #read(offset: number, into: Uint8Array): Promise<void> {
    const { salvaged } = this.#options;
    if (salvaged === undefined) return await this.#source.read(offset, into);
    try {
      await this.#source.read(offset, into);
    } catch {
      await this.#salvage(offset, into, salvaged);
    }
  }

  /** By sectors, of which those that cannot be read are zeros. */
  async #salvage(offset: number, into: Uint8Array, salvaged: (offset: number, error: unknown) => void): Promise<void> {
    for (let at = 0; at < into.length; at += sectorBytes) {
      const sector = into.subarray(at, at + sectorBytes);
      try {
        await this.#source.read(offset + at, sector);
      } catch (error) {
        sector.fill(0);
        salvaged(offset + at, error);
      }
    }
  }
}

const laneBytes = ({ pieceBytes, unitBytes }: CopyTarget): number => alignUp(pieceBytes, unitBytes);

/** A disk in pieces of whole units, of data so large as a lane has memory. What is skipped, and zeros where there are some, are none. */
async function* piecesOf(source: CopySource, target: CopyTarget, options: CopyOptions): AsyncGenerator<Piece> {
  const { isOffloaded = false, kindOf, sparseBytes } = options;
  const { isZero, unitBytes } = target;
  const mayOffload = isOffloaded && unitBytes === 1 && target.copyFrom !== undefined;
  let done = 0;
  for await (const run of source.runs(0, source.sizeBytes)) {
    const kind = kindOf(run);
    if (kind === 'skip') continue;
    // Zeros that are a part of a unit are written with what is around them.
    const isData = kind === 'data' || sparseBytes === 0 || (unitBytes > 1 && !isZero);
    if (!isData && isZero) continue;
    // What begins inside a unit has been done with it, and takes the rest of its last unit along.
    let at = Math.max(done, alignDown(run.start, unitBytes));
    const runEnd = run.start + run.length;
    const end = Math.min(source.sizeBytes, isData ? alignUp(runEnd, unitBytes) : runEnd);
    const place = mayOffload && kind === 'data' ? source.placeOf?.(run) : undefined;
    const step = place === undefined ? laneBytes(target) : offloadBytes;
    if (isData) {
      for (; at < end; at = Math.min(end, alignDown(at, step) + step)) {
        const length = Math.min(end, alignDown(at, step) + step) - at;
        const begins = place && { file: place.file, offset: place.offset + at - run.start };
        yield { offset: at, length, kind: 'data', place: begins };
      }
    } else if (end > at) yield { offset: at, length: end - at, kind: 'zero' };
    done = Math.max(done, end);
  }
}
