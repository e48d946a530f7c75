import { AshlarError, type ErrorKind, type Random, type RecordStore, type Scheduler } from '@ashlar/core';

type Change = { readonly key: Uint8Array; readonly value: Uint8Array | null };

/** Keys as text of one character a byte: the order of such text is the order of the bytes. */
function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}

/** The place in `keys` where `key` is or would stand. */
function placeOf(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

type Commit = { readonly changes: readonly Change[]; readonly opening: number };

/**
 * What a record store keeps on its disk: it outlives the store that is open on it. A commit is there whole or not at all; one
 * that has settled is durable; one that was under way when the crash came may be there or not.
 */
export class SimulatedRecordDisk {
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #values = new Map<string, Uint8Array>();
  #keys: readonly string[] | undefined;
  #underWay: Commit | undefined;
  /** What the last commit changed, as it was before. */
  #before: readonly (readonly [string, Uint8Array | undefined])[] = [];
  #failures: ErrorKind[] = [];
  /** Which opening is alive: what an older one does has no effect. */
  #opening = 0;

  constructor(random: Random, scheduler: Scheduler) {
    this.#random = random;
    this.#scheduler = scheduler;
  }

  open(): RecordStore {
    this.#opening += 1;
    return new SimulatedRecordStore(this, this.#opening);
  }

  /** The process is gone, the disk stays: nothing that was open settles any more. */
  crash(): void {
    const commit = this.#underWay;
    this.#underWay = undefined;
    this.#opening += 1;
    this.#failures = [];
    if (commit !== undefined && this.#random.below(2) === 0) this.#apply(commit.changes);
  }

  /** A bit flips in a value, or the last commit is gone: what a disk may do to a database whose pages have no checksums. Says which. */
  damage(): string {
    this.#keys = undefined;
    const keys = [...this.#values.keys()];
    if (keys.length > 0 && this.#random.below(2) === 0) {
      const key = keys[this.#random.below(keys.length)] ?? '';
      const value = this.#values.get(key)?.slice() ?? new Uint8Array();
      const at = this.#random.below(value.length);
      value[at] = (value[at] ?? 0) ^ (1 << this.#random.below(8));
      this.#values.set(key, value);
      return `a bit of the record ${Buffer.from(key, 'latin1').toString('hex')} flips`;
    }
    for (const [key, value] of this.#before) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    this.#before = [];
    return 'the database is that of the commit before the last';
  }

  /** The next commit fails with this kind and changes nothing. */
  failNext(kind: ErrorKind): void {
    this.#failures.push(kind);
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(textOf(key));
  }

  scan(from: Uint8Array, to: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    this.#keys ??= [...this.#values.keys()].toSorted((left, right) => (left < right ? -1 : 1));
    const keys = this.#keys;
    const end = textOf(to);
    for (let index = placeOf(keys, textOf(from)); index < keys.length; index += 1) {
      const key = keys[index] ?? '';
      const value = this.#values.get(key);
      if (key >= end || value === undefined || !visit(Buffer.from(key, 'latin1'), value)) return;
    }
  }

  commit(opening: number, changes: readonly Change[]): Promise<void> {
    if (opening !== this.#opening) return new Promise(() => undefined);
    if (this.#underWay !== undefined) {
      throw new AshlarError('busy', 'a record store takes one commit at a time', { operation: 'commit' });
    }
    // A caller may use its buffers again once the call has returned.
    const copied = changes.map(({ key, value }) => ({
      key: key.slice(),
      value: value === null ? null : value.slice(),
    }));
    const commit = { changes: copied, opening };
    this.#underWay = commit;
    return new Promise((resolve, reject) => {
      this.#scheduler.after(1 + this.#random.below(20), () => {
        if (this.#underWay !== commit) return;
        this.#underWay = undefined;
        const failure = this.#failures.shift();
        if (failure !== undefined) {
          reject(new AshlarError(failure, 'the record store could not commit', { operation: 'commit' }));
          return;
        }
        this.#apply(copied);
        resolve();
      });
    });
  }

  #apply(changes: readonly Change[]): void {
    this.#keys = undefined;
    this.#before = changes.map(({ key }) => [textOf(key), this.#values.get(textOf(key))] as const).toReversed();
    for (const { key, value } of changes) {
      if (value === null) this.#values.delete(textOf(key));
      else this.#values.set(textOf(key), value);
    }
  }
}

class SimulatedRecordStore implements RecordStore {
  readonly #disk: SimulatedRecordDisk;
  readonly #opening: number;
  #closed = false;

  constructor(disk: SimulatedRecordDisk, opening: number) {
    this.#disk = disk;
    this.#opening = opening;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#check('get');
    return this.#disk.get(key)?.slice();
  }

  scan(from: Uint8Array, to: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    this.#check('scan');
    this.#disk.scan(from, to, visit);
  }

  commit(changes: readonly Change[]): Promise<void> {
    this.#check('commit');
    return this.#disk.commit(this.#opening, changes);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #check(operation: string): void {
    if (this.#closed) throw new AshlarError('closed', `${operation} on a record store that is closed`, { operation });
  }
}
