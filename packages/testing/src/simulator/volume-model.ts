import { Cell, dawn, type Event, type Interval } from './cell.ts';
import { blockBytes, SnapshotModel, type Instant } from './snapshot-model.ts';

const zeros = new Uint8Array(blockBytes);

/** What a recovered volume shows. A block beyond its size is not in `bytes`. */
export type Found = {
  readonly bytes: Uint8Array;
  readonly records: ReadonlyMap<string, string>;
  /** Blocks that the store says it has lost, whatever is in `bytes` of them. */
  readonly corrupt?: ReadonlySet<number>;
};

/** A cell with what was found in it. */
type Finding = {
  readonly name: string;
  readonly intervals: readonly Interval[];
  readonly describe: () => string;
};

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

function beginsWith(value: Uint8Array, bytes: Uint8Array): boolean {
  return sameBytes(bytes.length === blockBytes ? value : value.subarray(0, bytes.length), bytes);
}

function printBytes(bytes: Uint8Array): string {
  if (sameBytes(bytes, zeros)) return 'zeros';
  return `${Buffer.from(bytes.subarray(0, 8)).toString('hex')}…${Buffer.from(bytes.subarray(-4)).toString('hex')}`;
}

function printText(text: string | null): string {
  return text === null ? 'nothing' : text.slice(0, 20);
}

/**
 * What an object and the records beside it may show: for each block, each record and the size the values that it had, and
 * when. The rule that it checks: a crash cuts the history at one moment. What settled before another thing that is still
 * there was asked for is there too; nothing durable is lost; a batch of records is there whole or not at all.
 */
export class VolumeModel {
  readonly #blocks = new Map<number, Cell<Uint8Array>>();
  readonly #records = new Map<string, Cell<string | null>>();
  readonly #size: Cell<number>;
  #least: number;
  /** Blocks that operations changed in part, not all of them still in flight. */
  readonly #edges = new Map<number, Event>();
  readonly #batches = new Map<Event, readonly string[]>();
  /** Everything that settled before this moment is durable. */
  #durableUntil = 0;

  constructor(sizeBytes: number) {
    this.#size = new Cell(sizeBytes, dawn);
    this.#least = sizeBytes;
  }

  /** Of a clone of a snapshot, of which everything is certain. */
  static of(snapshot: SnapshotModel): VolumeModel {
    const model = new VolumeModel(snapshot.sizeBytes);
    for (const block of snapshot.blocks()) model.#blocks.set(block, new Cell(snapshot.block(block), dawn));
    return model;
  }

  /** What a snapshot that is asked for at this moment may have. */
  snapshot(at: number, instant: Instant): SnapshotModel {
    const snapshot = new SnapshotModel(instant, this.#size.visible(at));
    for (const [block, cell] of this.#blocks) snapshot.mayHave(block, cell.visible(at));
    return snapshot;
  }

  /** A snapshot that was asked for at that moment was answered, or is found now: what was asked for since may be in it. */
  widen(snapshot: SnapshotModel, at: number): void {
    snapshot.widenSize(this.#size, at);
    for (const [block, cell] of this.#blocks) snapshot.widen(block, cell, at);
  }

  /** An operation made it what a snapshot has, of which everything is certain. */
  becomes(event: Event, snapshot: SnapshotModel): void {
    for (const block of new Set([...this.#blocks.keys(), ...snapshot.blocks()])) {
      this.#block(block).add(snapshot.block(block), event);
    }
    this.#size.add(snapshot.sizeBytes, event);
    this.#least = snapshot.sizeBytes;
  }

  /** What a block holds, when that is certain. */
  certain(block: number): Uint8Array | undefined {
    const cell = this.#blocks.get(block);
    return cell === undefined ? zeros : cell.certain;
  }

  /** The least size that it may have: what is inside it is inside for certain. */
  get sizeBytes(): number {
    return this.#least;
  }

  get sizeIsCertain(): boolean {
    return !this.#size.uncertain;
  }

  /** No block of the range is being changed, or may have been by something that failed. */
  isCertain(offset: number, length: number): boolean {
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < offset + length; block += 1) {
      if (this.#blocks.get(block)?.uncertain === true) return false;
    }
    return true;
  }

  /** The blocks lie whole in the range, and hold bytes that were written and are not all zero. */
  holdsData(offset: number, length: number): boolean {
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < offset + length; block += 1) {
      const value = this.#blocks.get(block)?.certain;
      if (value === undefined || sameBytes(value, zeros)) return false;
    }
    return true;
  }

  /** `from` undefined: zeros. The edges of a range that is not whole blocks keep what they hold, which must be certain. */
  write(event: Event, offset: number, length: number, from: Uint8Array | undefined): void {
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < offset + length; block += 1) {
      const start = Math.max(offset, block * blockBytes);
      const end = Math.min(offset + length, (block + 1) * blockBytes);
      const part = from?.subarray(start - offset, end - offset);
      const cell = this.#block(block);
      if (end - start === blockBytes) cell.add(part ?? zeros, event);
      else {
        const merged = (cell.certain ?? zeros).slice();
        if (part === undefined) merged.fill(0, start - block * blockBytes, end - block * blockBytes);
        else merged.set(part, start - block * blockBytes);
        cell.add(merged, event);
        this.#edges.set(block, event);
      }
    }
  }

  /** The range has a block that an operation in flight changes in part: what that leaves would depend on the order. */
  touchesEdge(offset: number, length: number): boolean {
    for (const [block, event] of this.#edges) {
      if (event.endedAt !== Infinity) this.#edges.delete(block);
      else if (block * blockBytes < offset + length && (block + 1) * blockBytes > offset) return true;
    }
    return false;
  }

  truncate(event: Event, sizeBytes: number): void {
    for (const [block, cell] of this.#blocks) {
      const kept = sizeBytes - block * blockBytes;
      const before = cell.certain ?? zeros;
      if (kept >= blockBytes || sameBytes(before, zeros)) continue;
      const value = kept <= 0 ? zeros : before.slice();
      if (kept > 0) value.fill(0, kept);
      cell.add(value, event);
    }
    this.#size.add(sizeBytes, event);
    this.#least = Math.min(this.#least, sizeBytes);
  }

  commit(event: Event, changes: ReadonlyMap<string, string | null>): void {
    for (const [key, value] of changes) this.#record(key).add(value, event);
    this.#batches.set(event, [...changes.keys()]);
  }

  /** The blocks that hold nobody knows which of several values, at most `limit`. */
  uncertainBlocks(limit: number): number[] {
    const found: number[] = [];
    for (const [block, cell] of this.#blocks) {
      if (cell.uncertain && block * blockBytes < this.sizeBytes) found.push(block);
      if (found.length === limit) break;
    }
    return found;
  }

  uncertainRecords(): string[] {
    return [...this.#records].flatMap(([key, cell]) => (cell.uncertain ? [key] : []));
  }

  /** With nothing in flight a block or a record was read: that is what it holds from now on. */
  sawBlock(block: number, bytes: Uint8Array, at: number): void {
    this.#block(block).seen((value) => beginsWith(value, bytes), at);
  }

  sawRecord(key: string, found: string | null, at: number): void {
    this.#record(key).seen((value) => value === found, at);
  }

  sawSize(sizeBytes: number, at: number): void {
    this.#size.seen((value) => value === sizeBytes, at);
    this.#least = sizeBytes;
  }

  /** A flush or a durable operation that was asked for at `calledAt` has settled; what is in flight began at `oldest` or later. */
  durable(calledAt: number, oldest: number): void {
    this.#durableUntil = Math.max(this.#durableUntil, calledAt);
    for (const cell of this.#blocks.values()) cell.forget(this.#durableUntil, oldest);
    for (const cell of this.#records.values()) cell.forget(this.#durableUntil, oldest);
    this.#size.forget(this.#durableUntil, oldest);
    for (const event of this.#batches.keys()) {
      if (event.settledAt < this.#durableUntil || event.durable) this.#batches.delete(event);
    }
  }

  /** What is wrong with a read between these moments. */
  checkRead(offset: number, bytes: Uint8Array, calledAt: number, settledAt: number): string | undefined {
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < offset + bytes.length; block += 1) {
      const start = Math.max(offset, block * blockBytes);
      const end = Math.min(offset + bytes.length, (block + 1) * blockBytes);
      const part = bytes.subarray(start - offset, end - offset);
      const cell = this.#block(block);
      const inBlock = start - block * blockBytes;
      const matches = (value: Uint8Array): boolean =>
        sameBytes(part.length === blockBytes ? value : value.subarray(inBlock, inBlock + part.length), part);
      if (cell.maySee(matches, calledAt, settledAt)) continue;
      return `a read [${calledAt}–${settledAt}] of ${part.length} bytes at ${start} (block ${block}) gave ${printBytes(part)}; the block was ${cell.describe(printBytes)}`;
    }
    return undefined;
  }

  checkRecord(key: string, found: string | null, calledAt: number, settledAt: number): string | undefined {
    const cell = this.#record(key);
    if (cell.maySee((value) => value === found, calledAt, settledAt)) return undefined;
    return `record ${key} read as ${printText(found)} at [${calledAt}–${settledAt}]; it was ${cell.describe(printText)}`;
  }

  /**
   * What is wrong with a recovered volume. `low`: everything that settled before it must be there (for a loss of power
   * what was durable; for a killed process all). When nothing is wrong the model goes on from what was found.
   */
  recover(found: Found, at: number, powerLost: boolean): { readonly problem?: string; readonly lost: boolean } {
    this.#edges.clear();
    const low = powerLost ? this.#durableUntil : at;
    const findings = [...this.#findings(found, low), ...this.#strangers(found)];
    let moments = [...new Set([low, ...findings.flatMap(({ intervals }) => intervals.map(({ from }) => from))])];
    moments = moments.filter((moment) => moment >= low);
    for (const finding of findings) {
      const left = moments.filter((moment) => finding.intervals.some(({ from, to }) => from <= moment && moment <= to));
      if (left.length === 0) return { problem: this.#explain(finding, moments, powerLost, findings), lost: false };
      moments = left;
    }
    const torn = this.#tornBatch(found);
    if (torn !== undefined) return { problem: torn, lost: false };
    const lost = findings.some(({ intervals }) => intervals.every(({ to }) => to !== Infinity));
    this.#goOn(found, at, powerLost);
    return { lost };
  }

  /** What was found in each cell that says anything of when the history was cut: not where all is as it was long before `low`. */
  #findings(found: Found, low: number): Finding[] {
    const findings: Finding[] = [];
    const add = (name: string, intervals: readonly Interval[], describe: () => string): void => {
      const [only, ...more] = intervals;
      if (only === undefined || more.length > 0 || only.from > low || only.to !== Infinity) {
        findings.push({ name, intervals, describe });
      }
    };
    add(
      'the size',
      this.#size.cuts((value) => value === found.bytes.length),
      () => `${found.bytes.length}; it was ${this.#size.describe(String)}`,
    );
    for (const [block, cell] of this.#blocks) {
      const bytes = this.#bytesOf(found, block);
      if (bytes === undefined || found.corrupt?.has(block) === true) continue;
      add(
        `block ${block}`,
        cell.cuts((value) => beginsWith(value, bytes)),
        () => `${printBytes(bytes)}; it was ${cell.describe(printBytes)}`,
      );
    }
    for (const [key, cell] of this.#records) {
      const value = found.records.get(key) ?? null;
      add(
        `record ${key}`,
        cell.cuts((candidate) => candidate === value),
        () => `${printText(value)}; it was ${cell.describe(printText)}`,
      );
    }
    return findings;
  }

  /** What nobody ever wrote. */
  #strangers(found: Found): Finding[] {
    const findings: Finding[] = [];
    for (let at = 0; at < found.bytes.length; at += blockBytes) {
      const block = at / blockBytes;
      if (this.#blocks.has(block) || found.corrupt?.has(block) === true) continue;
      const bytes = found.bytes.subarray(at, at + blockBytes);
      if (beginsWith(zeros, bytes)) continue;
      const describe = (): string => `${printBytes(bytes)}; nothing was ever written there`;
      findings.push({ name: `block ${block}`, intervals: [], describe });
    }
    for (const [key, value] of found.records) {
      if (this.#records.has(key)) continue;
      findings.push({ name: `record ${key}`, intervals: [], describe: () => `${value}; it was never committed` });
    }
    return findings;
  }

  /** The bytes of a block that lie inside the found size. */
  #bytesOf(found: Found, block: number): Uint8Array | undefined {
    const start = block * blockBytes;
    return start < found.bytes.length ? found.bytes.subarray(start, start + blockBytes) : undefined;
  }

  #explain(finding: Finding, moments: readonly number[], powerLost: boolean, all: readonly Finding[]): string {
    const how = powerLost ? `a loss of power (durable until ${this.#durableUntil})` : 'a killed process';
    const sentence = `after ${how} ${finding.name} is ${finding.describe()}`;
    if (finding.intervals.length === 0) return sentence;
    const newest = moments.toSorted((left, right) => left - right);
    const latest = Math.max(...finding.intervals.map(({ to }) => to));
    const other = all.find(({ intervals }) => intervals.length > 0 && intervals.every(({ from }) => from > latest));
    const rest = other === undefined ? '' : `; yet ${other.name} is ${other.describe()}`;
    return `${sentence}, as if cut at ${latest} or before, while the rest needs ${newest.slice(0, 4).join(' or ')}${rest}`;
  }

  /** A batch of which one record is certainly there and another certainly not. */
  #tornBatch(found: Found): string | undefined {
    for (const [event, keys] of this.#batches) {
      const states = keys.map((key) =>
        this.#record(key).holds(event, (value) => value === (found.records.get(key) ?? null)),
      );
      if (!states.includes('yes') || !states.includes('no')) continue;
      const parts = keys.map((key, index) => `${key}: ${states[index]}`).join(', ');
      return `${event.name} is there in part only (${parts})`;
    }
    return undefined;
  }

  #goOn(found: Found, at: number, onDisk: boolean): void {
    this.#size.recovered((value) => value === found.bytes.length, at, onDisk);
    this.#least = found.bytes.length;
    for (const [block, cell] of this.#blocks) {
      const bytes = this.#bytesOf(found, block) ?? zeros;
      if (found.corrupt?.has(block) === true) cell.lost();
      else cell.recovered((value) => beginsWith(value, bytes), at, onDisk);
    }
    for (const [key, cell] of this.#records) {
      const value = found.records.get(key) ?? null;
      cell.recovered((candidate) => candidate === value, at, onDisk);
    }
    for (const [event, keys] of this.#batches) {
      if (onDisk || !keys.every((key) => this.#record(key).remembers(event))) this.#batches.delete(event);
    }
  }

  #block(block: number): Cell<Uint8Array> {
    let cell = this.#blocks.get(block);
    if (cell === undefined) {
      cell = new Cell(zeros, dawn);
      this.#blocks.set(block, cell);
    }
    return cell;
  }

  #record(key: string): Cell<string | null> {
    let cell = this.#records.get(key);
    if (cell === undefined) {
      cell = new Cell<string | null>(null, dawn);
      this.#records.set(key, cell);
    }
    return cell;
  }
}
