import { allDone, andThen, isPromise, type ObjectStore, type RecordChange, type Settled } from '@ashlar/core';
import type { BrokenTreeRule } from './broken-rule.ts';
import { nameOf } from './keys.ts';
import { birthOf, isVersioned, stamped, valueIn, versionKey } from './record-versions.ts';

export type RecordsStore = Pick<ObjectStore, 'commit' | 'getRecord' | 'scanRecords' | 'origin'>;

export type StoredRecord = { readonly key: Uint8Array; readonly value: Uint8Array };

/** Records as a tree has them, or a snapshot of it. */
export interface RecordsReader {
  get(key: Uint8Array): Settled<Uint8Array | undefined>;
  /** Records of keys in [from, to), at most `limit`. */
  scan(from: Uint8Array, to: Uint8Array, limit: number): Settled<readonly StoredRecord[]>;
}

/** In which epoch records are written now, and which one the newest snapshot ended; nothing: there is none. */
export type Epochs = { current: number; newestSnapshot: number | undefined };

/** Records of a tree: what was changed is seen at once, also while the store lets the change wait; what snapshots have of them is kept. */
export class TreeRecords implements RecordsReader {
  readonly #store: RecordsStore;
  readonly #epochs: Epochs;
  readonly #broken: BrokenTreeRule | undefined;
  /** Changes that have not settled. */
  readonly #changed = new Map<string, RecordChange>();
  readonly #waiting = new Set<Promise<void>>();
  /** Settles when what is to be committed first was handed to the store, which keeps the order from then on. */
  #last: Promise<unknown> | undefined;

  constructor(store: RecordsStore, epochs: Epochs, broken?: BrokenTreeRule) {
    this.#store = store;
    this.#epochs = epochs;
    this.#broken = broken;
  }

  get(key: Uint8Array): Settled<Uint8Array | undefined> {
    return andThen(this.getStamped(key), (record) => (record === undefined ? undefined : valueIn(record)));
  }

  /** With the epoch that it was written in. */
  getStamped(key: Uint8Array): Settled<Uint8Array | undefined> {
    if (this.#changed.size > 0) {
      const change = this.#changed.get(nameOf(key));
      if (change !== undefined) return change.value ?? undefined;
    }
    return this.#store.getRecord(key);
  }

  /** All of them or none: where it fails they are as they were. `givesBack`: as of the store. */
  commit(changes: readonly RecordChange[], givesBack = false): Settled<void> {
    const { current, newestSnapshot } = this.#epochs;
    const own = changes.map(({ key, value }) => ({ key, value: value === null ? null : stamped(value, current) }));
    if (newestSnapshot === undefined || this.#broken === 'earlier-not-kept') return this.commitStamped(own, givesBack);
    const kept = own.map(({ key }) => (isVersioned(key) ? this.getStamped(key) : undefined));
    const late = kept.filter((each) => isPromise(each));
    if (late.length === 0) {
      return this.commitStamped([...own, ...versionsOf(own, kept as Before[], newestSnapshot)], givesBack);
    }
    // Whoever looks meanwhile sees what was changed, and whoever changes it next is committed behind it.
    const ready = Promise.all([Promise.all(kept), this.#last]);
    const committed = ready.then(async ([found]) =>
      this.#store.commit([...own, ...versionsOf(own, found, newestSnapshot)], false, givesBack),
    );
    const last: Promise<unknown> = ready.then(
      () => this.#issued(last),
      () => this.#issued(last),
    );
    this.#last = last;
    return this.#seen(own, committed);
  }

  /** The same of changes that say in which epoch they were written, or need not. */
  commitStamped(changes: readonly RecordChange[], givesBack = false): Settled<void> {
    const before = this.#last;
    const committed =
      before === undefined
        ? this.#store.commit(changes, false, givesBack)
        : before.then(async () => this.#store.commit(changes, false, givesBack));
    if (isPromise(committed)) return this.#seen(changes, committed);
  }

  scan(from: Uint8Array, to: Uint8Array, limit: number): Settled<readonly StoredRecord[]> {
    return andThen(this.scanStamped(from, to, limit), (records) =>
      records.map(({ key, value }) => ({ key, value: valueIn(value) })),
    );
  }

  /** The same with the epochs that they were written in. */
  scanStamped(from: Uint8Array, to: Uint8Array, limit: number): Settled<readonly StoredRecord[]> {
    return andThen(this.settled(), () => this.#store.scanRecords(from, to, limit));
  }

  /** Settles when all that was committed before has, whether it failed or not. */
  settled(): Settled<void> {
    if (this.#waiting.size > 0) return allDone([...this.#waiting].map((each) => each.catch(() => undefined)));
  }

  #seen(changes: readonly RecordChange[], committed: Promise<void>): Promise<void> {
    const names = changes.map(({ key }) => nameOf(key));
    for (const [at, name] of names.entries()) this.#changed.set(name, changes[at]!);
    const done = committed.finally(() => {
      this.#waiting.delete(done);
      for (const [at, name] of names.entries()) {
        // A later one of the same key waits by itself.
        if (this.#changed.get(name) === changes[at]) this.#changed.delete(name);
      }
    });
    this.#waiting.add(done);
    return done;
  }

  #issued(last: Promise<unknown>): void {
    if (this.#last === last) this.#last = undefined;
  }
}

type Before = Uint8Array | undefined;

/** What is to be kept of what is changed, for the newest snapshot and those before it. */
function versionsOf(changes: readonly RecordChange[], before: readonly Before[], newest: number): RecordChange[] {
  return changes.flatMap(({ key }, at) => {
    const record = before[at];
    return record === undefined || birthOf(record) > newest ? [] : [{ key: versionKey(key, newest), value: record }];
  });
}
