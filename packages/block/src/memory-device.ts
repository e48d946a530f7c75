import {
  alignDown,
  alignUp,
  mergeExtents,
  type BlockCapabilities,
  type BlockDevice,
  type BlockSizes,
  type Extent,
  type ExtentState,
  type ZeroMode,
} from '@ashlar/core';
import { checkEqual, checkLimit, checkRange, checkSameLength, checkSize, closedError } from './check.ts';
import { copyRange, copyRangeBackwards } from './copy-range.ts';

const chunkBytes = 256 * 1024;
const stateBytes = 4096;
const statesEach = chunkBytes / stateBytes;
const stateNames: readonly ExtentState[] = ['hole', 'data', 'zero'];
const hole = 0;
const data = 1;
const zero = 2;

/** Bytes that are not `data` are kept zero, so that a read looks at no state. */
type Chunk = { readonly bytes: Uint8Array; readonly states: Uint8Array };

const capabilities: BlockCapabilities = {
  flush: 'native',
  durable: 'native',
  trim: 'native',
  zero: 'native',
  fastZero: 'native',
  extents: 'native',
  prefetch: 'native',
  compareAndWrite: 'native',
  copyFrom: 'emulated',
  resize: 'native',
  multiConnection: 'native',
};

export type MemoryOptions = {
  /** Bytes; 1 by default. */
  readonly minimumBlockBytes?: number;
};

class MemoryDevice implements BlockDevice {
  readonly blockSizes: BlockSizes;
  readonly capabilities = capabilities;
  readonly readOnly = false;
  readonly #chunks = new Map<number, Chunk>();
  #sizeBytes: number;
  #closed = false;

  constructor(sizeBytes: number, options: MemoryOptions) {
    this.blockSizes = {
      minimum: options.minimumBlockBytes ?? 1,
      preferred: stateBytes,
      maximum: 32 * 1024 * 1024,
      atomic: stateBytes,
    };
    checkSize(this, sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(offset: number, into: Uint8Array): void {
    this.#check('read', offset, into.length);
    for (let done = 0; done < into.length;) {
      const inside = (offset + done) % chunkBytes;
      const size = Math.min(chunkBytes - inside, into.length - done);
      const chunk = this.#chunks.get(Math.floor((offset + done) / chunkBytes));
      if (chunk === undefined) into.fill(0, done, done + size);
      else into.set(chunk.bytes.subarray(inside, inside + size), done);
      done += size;
    }
  }

  write(offset: number, from: Uint8Array, _durable: boolean): void {
    this.#check('write', offset, from.length);
    for (let done = 0; done < from.length;) {
      const inside = (offset + done) % chunkBytes;
      const size = Math.min(chunkBytes - inside, from.length - done);
      const chunk = this.#chunkAt(Math.floor((offset + done) / chunkBytes));
      chunk.bytes.set(from.subarray(done, done + size), inside);
      chunk.states.fill(data, Math.floor(inside / stateBytes), Math.ceil((inside + size) / stateBytes));
      done += size;
    }
  }

  trim(offset: number, length: number, _durable: boolean): void {
    this.#check('trim', offset, length);
    this.#clear(offset, length);
  }

  zero(offset: number, length: number, mode: ZeroMode, _durable: boolean): void {
    this.#check('zero', offset, length);
    this.#clear(offset, length);
    if (mode === 'keep-allocated') this.#reserve(offset, length);
  }

  flush(): void {
    if (this.#closed) throw closedError('flush');
  }

  extents(offset: number, length: number, limit: number): readonly Extent[] {
    this.#check('extents', offset, length);
    checkLimit(limit);
    const end = offset + length;
    const runs: Extent[] = [];
    let count = 0;
    for (let at = offset; at < end;) {
      const run = this.#runAt(at, end);
      if (runs.at(-1)?.state !== run.state) count += 1;
      if (count > limit) break;
      runs.push(run);
      at = run.offset + run.length;
    }
    return mergeExtents(runs);
  }

  prefetch(offset: number, length: number): void {
    this.#check('prefetch', offset, length);
  }

  compareAndWrite(offset: number, expected: Uint8Array, from: Uint8Array, durable: boolean): void {
    this.#check('compareAndWrite', offset, from.length);
    checkSameLength(offset, expected, from);
    const found = new Uint8Array(expected.length);
    this.read(offset, found);
    checkEqual(offset, expected, found);
    this.write(offset, from, durable);
  }

  copyFrom(source: BlockDevice, sourceOffset: number, offset: number, length: number): Promise<void> {
    this.#check('copyFrom', offset, length);
    checkRange(source, 'copyFrom', sourceOffset, length);
    const inside = source === this && offset > sourceOffset && offset < sourceOffset + length;
    return inside
      ? copyRangeBackwards(source, sourceOffset, this, offset, length)
      : copyRange(source, sourceOffset, this, offset, length);
  }

  resize(sizeBytes: number): void {
    if (this.#closed) throw closedError('resize');
    checkSize(this, sizeBytes);
    if (sizeBytes < this.#sizeBytes) this.#clear(sizeBytes, alignUp(this.#sizeBytes, stateBytes) - sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  close(): void {
    this.#closed = true;
    this.#chunks.clear();
  }

  #check(operation: string, offset: number, length: number): void {
    if (this.#closed) throw closedError(operation);
    checkRange(this, operation, offset, length);
  }

  #chunkAt(index: number): Chunk {
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = { bytes: new Uint8Array(chunkBytes), states: new Uint8Array(statesEach) };
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }

  /** The chunks there are in a range, without looking at each place of a large hole. */
  *#chunksIn(offset: number, length: number): Generator<[number, Chunk]> {
    const first = Math.floor(offset / chunkBytes);
    const end = Math.ceil((offset + length) / chunkBytes);
    if (end - first > this.#chunks.size) {
      for (const [index, chunk] of this.#chunks) if (index >= first && index < end) yield [index, chunk];
      return;
    }
    for (let index = first; index < end; index += 1) {
      const chunk = this.#chunks.get(index);
      if (chunk !== undefined) yield [index, chunk];
    }
  }

  #clear(offset: number, length: number): void {
    for (const [index, chunk] of this.#chunksIn(offset, length)) {
      const start = Math.max(offset - index * chunkBytes, 0);
      const end = Math.min(offset + length - index * chunkBytes, chunkBytes);
      if (start === 0 && end === chunkBytes) {
        this.#chunks.delete(index);
        continue;
      }
      chunk.bytes.fill(0, start, end);
      const wholeFrom = alignUp(start, stateBytes) / stateBytes;
      const wholeTo = alignDown(end, stateBytes) / stateBytes;
      if (wholeTo > wholeFrom) chunk.states.fill(hole, wholeFrom, wholeTo);
    }
  }

  #reserve(offset: number, length: number): void {
    for (let at = alignDown(offset, stateBytes); at < offset + length; at += stateBytes) {
      const chunk = this.#chunkAt(Math.floor(at / chunkBytes));
      const index = (at % chunkBytes) / stateBytes;
      if (chunk.states[index] === hole) chunk.states[index] = zero;
    }
  }

  /** The longest run of one state from `at` that lies in one chunk, or the whole hole between two chunks. */
  #runAt(at: number, end: number): Extent {
    const index = Math.floor(at / chunkBytes);
    const chunk = this.#chunks.get(index);
    if (chunk === undefined) return { offset: at, length: this.#nextChunkStart(index, end) - at, state: 'hole' };
    const first = Math.floor((at % chunkBytes) / stateBytes);
    const state = chunk.states[first] ?? hole;
    let last = first + 1;
    while (last < statesEach && chunk.states[last] === state) last += 1;
    const runEnd = Math.min(index * chunkBytes + last * stateBytes, end);
    return { offset: at, length: runEnd - at, state: stateNames[state] ?? 'hole' };
  }

  #nextChunkStart(index: number, end: number): number {
    let next = end;
    for (const [found] of this.#chunksIn((index + 1) * chunkBytes, Math.max(end - (index + 1) * chunkBytes, 0))) {
      next = Math.min(next, found * chunkBytes);
    }
    return next;
  }
}

/** A sparse device in memory: the reference for tests, and a scratch disk. What it keeps is gone when it is closed. */
export function memoryDevice(sizeBytes: number, options: MemoryOptions = {}): BlockDevice {
  return new MemoryDevice(sizeBytes, options);
}
