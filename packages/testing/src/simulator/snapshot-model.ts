import { dawn, type Cell, type Interval, type Version } from './cell.ts';

export const blockBytes = 4096;

const zeros = new Uint8Array(blockBytes);
/** Before anything was written there. */
const untouched: Candidate<Uint8Array> = { version: { value: zeros, event: dawn, rank: 0 }, to: Infinity };

/** A value that it may have, and until when something that looked would have found it. */
type Candidate<V> = { readonly version: Version<V>; readonly to: number };

/** One of the values that a block may have is the one that a part of it was read as. */
const begins = (value: Uint8Array, inBlock: number, part: Uint8Array): boolean =>
  Buffer.compare(part.length === blockBytes ? value : value.subarray(inBlock, inBlock + part.length), part) === 0;

/** When a snapshot was taken, or several of one instant. What is read of them narrows it down. */
export class Instant {
  #left: readonly Interval[];

  /** It was asked for then. */
  constructor(from: number) {
    this.#left = [{ from, to: Infinity }];
  }

  /** It was in one of them. False where that cannot be. */
  narrow(intervals: readonly Interval[]): boolean {
    const left = this.#left.flatMap(({ from, to }) =>
      intervals
        .map((other) => ({ from: Math.max(from, other.from), to: Math.min(to, other.to) }))
        .filter((both) => both.from <= both.to),
    );
    this.#left = merged(left.toSorted((one, other) => one.from - other.from));
    return left.length > 0;
  }
}

/** Those that overlap are one. */
function merged(sorted: readonly Interval[]): readonly Interval[] {
  const result: Interval[] = [];
  for (const { from, to } of sorted) {
    const last = result.at(-1);
    if (last !== undefined && from <= last.to)
      result[result.length - 1] = { from: last.from, to: Math.max(last.to, to) };
    else result.push({ from, to });
  }
  return result;
}

/** What was asked for behind its request may be in it as well: every value of a cell until its answer. */
function widened<V>(cell: Cell<V>, captured: readonly Candidate<V>[], at: number): readonly Candidate<V>[] {
  const since = cell.since(at);
  if (since.length === 0 && captured.length === 1) return captured;
  return [...captured.map(({ version }) => version), ...since].map((version) => ({ version, to: cell.endOf(version) }));
}

/**
 * What a snapshot has: for each block, and for the size, what may have been there between its request and its answer, all of one
 * instant. What is read of it once is what it has ever after.
 */
export class SnapshotModel {
  readonly #instant: Instant;
  #sizes: readonly Candidate<number>[];
  readonly #blocks = new Map<number, readonly Candidate<Uint8Array>[]>();

  constructor(instant: Instant, sizes: readonly Version<number>[]) {
    this.#instant = instant;
    this.#sizes = sizes.map((version) => ({ version, to: Infinity }));
  }

  /** Blocks that ever had something. */
  blocks(): Iterable<number> {
    return this.#blocks.keys();
  }

  /** Its size is known for certain. */
  get sizeBytes(): number {
    const [only] = this.#sizes;
    if (only === undefined || this.#sizes.length > 1) throw new Error('nobody knows the size of this snapshot');
    return only.version.value;
  }

  /** What a block has, of a snapshot of which all was read: zeros behind its end. */
  block(block: number): Uint8Array {
    const inside = Math.max(0, Math.min(blockBytes, this.sizeBytes - block * blockBytes));
    const bytes = new Uint8Array(blockBytes);
    bytes.set((this.#blocks.get(block)?.[0]?.version.value ?? zeros).subarray(0, inside));
    return bytes;
  }

  /** What is known for certain of a block. */
  certain(block: number): Uint8Array | undefined {
    const values = this.#blocks.get(block);
    if (values === undefined) return zeros;
    return values.length === 1 ? values[0]?.version.value : undefined;
  }

  /** What the block may have when it is asked for. */
  mayHave(block: number, versions: readonly Version<Uint8Array>[]): void {
    const candidates = versions.map((version) => ({ version, to: Infinity }));
    this.#blocks.set(block, candidates);
  }

  /** It was asked for at `at`, and is there. */
  widenSize(cell: Cell<number>, at: number): void {
    this.#sizes = widened(cell, this.#sizes, at);
  }

  widen(block: number, cell: Cell<Uint8Array>, at: number): void {
    this.#blocks.set(block, widened(cell, this.#blocks.get(block) ?? [untouched], at));
  }

  /** What is wrong with its size. */
  sawSize(sizeBytes: number): string | undefined {
    const left = this.#sizes.filter(({ version }) => version.value === sizeBytes);
    if (left.length === 0) {
      return `it is ${sizeBytes} bytes large, and was ${this.#sizes.map(({ version }) => version.value).join(' or ')}`;
    }
    if (!this.#narrow(this.#sizes, left))
      return `its size ${sizeBytes} and what was read before are not of one instant`;
    this.#sizes = left.slice(0, 1);
    return undefined;
  }

  /** What is wrong with a read of it. `corrupt`: blocks of which the store says that it has lost them. */
  saw(offset: number, bytes: Uint8Array, corrupt?: ReadonlySet<number>): string | undefined {
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < offset + bytes.length; block += 1) {
      if (corrupt?.has(block) === true) continue;
      const start = Math.max(offset, block * blockBytes);
      const end = Math.min(offset + bytes.length, (block + 1) * blockBytes);
      const wrong = this.#sawPart(block, start - block * blockBytes, bytes.subarray(start - offset, end - offset));
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  #sawPart(block: number, inBlock: number, part: Uint8Array): string | undefined {
    const candidates = this.#blocks.get(block);
    const first = candidates === undefined ? zeros : candidates[0]?.version.value;
    if (first !== undefined && (candidates?.length ?? 1) === 1 && begins(first, inBlock, part)) return undefined;
    const left = candidates?.filter(({ version }) => begins(version.value, inBlock, part)) ?? [];
    if (left.length === 0) {
      const shown = (value: Uint8Array): string => Buffer.from(value.subarray(0, 8)).toString('hex');
      const was = candidates?.map(({ version }) => shown(version.value)) ?? [shown(zeros)];
      return `block ${block} read as ${shown(part)}…, and was ${was.join('… or ')}…`;
    }
    if (!this.#narrow(candidates ?? [], left)) {
      const from = left
        .map(({ version, to }) => `${version.event.name} [${version.event.calledAt}–${to}]`)
        .join(' or ');
      return `block ${block} is of ${from}, and what was read before is of another instant`;
    }
    this.#blocks.set(block, left);
    return undefined;
  }

  /** What is left of several says when it was. */
  #narrow<V>(before: readonly Candidate<V>[], left: readonly Candidate<V>[]): boolean {
    if (before.length === 1) return true;
    return this.#instant.narrow(left.map(({ version, to }) => ({ from: version.event.calledAt, to })));
  }
}
