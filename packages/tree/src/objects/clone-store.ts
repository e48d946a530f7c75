import { allDone, isPromise, type RecordChange, type Settled } from '@ashlar/core';
import { bytesOfChanges, lotsOf } from './batches.ts';
import type { BrokenTreeRule } from './broken-rule.ts';
import {
  ClonedRecords,
  flatness,
  flatRecord,
  inheritedBy,
  inheritedEpoch,
  isRemoved,
  nothingInherited,
  removedRecord,
} from './cloned-records.ts';
import { flatKey, prefix } from './keys.ts';
import { behind } from './paged-scan.ts';
import { isVersioned, stamped } from './record-versions.ts';
import type { RecordsReader, RecordsStore, StoredRecord } from './tree-records.ts';

/** Records that are copied in one go: whoever changes something waits as long. */
const copiedAtOnce = 64;
/** Of what may be inherited, from the first on and before the second. */
const allKeys = [Buffer.of(0), Buffer.of(prefix.snapshot)] as const;

/** The store of a clone: what it has of its origin is seen as its own, and what it removes of that stays removed. */
export class CloneStore implements RecordsStore {
  readonly #own: RecordsStore;
  readonly #broken: BrokenTreeRule | undefined;
  #inherited: RecordsReader;
  #cloned: ClonedRecords;
  /** Settles when what is to be committed first was handed to the store, which keeps the order from then on. */
  #last: Promise<unknown> | undefined;
  readonly #waiting = new Set<Promise<void>>();
  /** Before which key nothing is left to do for it to be flat. */
  #next: Buffer = allKeys[0];
  #isFlat = false;

  constructor(own: RecordsStore, inherited: RecordsReader, broken?: BrokenTreeRule) {
    this.#own = own;
    this.#broken = broken;
    this.#inherited = inherited;
    this.#cloned = new ClonedRecords(own, inherited);
  }

  get origin(): RecordsStore['origin'] {
    return this.#own.origin;
  }

  getRecord(key: Uint8Array): Settled<Uint8Array | undefined> {
    return this.#cloned.getRecord(key);
  }

  scanRecords(from: Uint8Array, to: Uint8Array, limit: number): Settled<readonly StoredRecord[]> {
    return this.#cloned.scanRecords(from, to, limit);
  }

  /** One comes behind the other. */
  commit(changes: readonly RecordChange[], durable: boolean, givesBack = false): Settled<void> {
    const own = this.#asOwn(changes);
    if (this.#last === undefined && !isPromise(own)) return this.#handOver(own, durable, givesBack);
    const ready = Promise.all([own, this.#last]);
    this.#behind(ready);
    return ready.then(([asOwn]) => this.#handOver(asOwn, durable, givesBack));
  }

  /** Makes some more of what is inherited its own, whatever is changed meanwhile; gives whether it is a clone's no more. */
  async copySome(): Promise<boolean> {
    if (this.#isFlat) return true;
    if (this.#inherited !== nothingInherited) {
      const found = await this.#inherited.scan(this.#next, allKeys[1], copiedAtOnce);
      await this.#alone(() => this.#copy(found));
      if (this.#goesOn(found)) return false;
      await this.#alone(() => this.#own.commit([{ key: flatKey, value: flatRecord(flatness.copied) }], false));
      this.#become(nothingInherited);
      return false;
    }
    if (await this.#forgetSomeRemoved()) return false;
    await this.#own.commit([{ key: flatKey, value: flatRecord(flatness.flat) }], false);
    this.#isFlat = true;
    return true;
  }

  async #copy(found: readonly StoredRecord[]): Promise<void> {
    const missing: RecordChange[] = [];
    for (const { key, value } of found) {
      if (!isVersioned(key)) continue;
      const isOwn = this.#broken !== 'copied-over-changes' && (await this.#own.getRecord(key)) !== undefined;
      if (!isOwn) missing.push({ key, value: stamped(value, inheritedEpoch) });
    }
    for (const lot of lotsOf(missing, (change) => bytesOfChanges([change]))) await this.#own.commit(lot, false);
  }

  /** Nothing more is kept as removed; what was asked for before may be, until it has settled. Gives whether there is more. */
  async #forgetSomeRemoved(): Promise<boolean> {
    let found: readonly StoredRecord[] = [];
    await this.#alone(async () => {
      found = await this.#own.scanRecords(this.#next, allKeys[1], copiedAtOnce);
      const removed = found.filter(({ value }) => isRemoved(value)).map(({ key }) => ({ key, value: null }));
      if (removed.length > 0) await this.#own.commit(removed, false);
    });
    return this.#goesOn(found);
  }

  /** Whether there is more behind these. */
  #goesOn(found: readonly StoredRecord[]): boolean {
    const last = found.at(-1);
    if (last !== undefined) this.#next = behind(last.key);
    return found.length === copiedAtOnce;
  }

  #become(inherited: RecordsReader): void {
    this.#inherited = inherited;
    this.#cloned = new ClonedRecords(this.#own, inherited);
    this.#next = allKeys[0];
  }

  /** Nothing is committed by others meanwhile: what they were asked for before has settled. */
  async #alone(operation: () => Settled<void>): Promise<void> {
    const before = this.#last;
    const running = (async (): Promise<void> => {
      await before;
      await allDone([...this.#waiting].map((each) => each.catch(() => undefined)));
      await operation();
    })();
    this.#behind(running);
    await running;
  }

  /** What is removed and inherited is kept as removed. */
  #asOwn(changes: readonly RecordChange[]): Settled<readonly RecordChange[]> {
    if (this.#broken === 'removal-not-kept') return changes;
    const hidden = changes.map(({ key, value }) =>
      value === null && isVersioned(key) ? this.#inherited.get(key) : undefined,
    );
    const own = (inherited: readonly (Uint8Array | undefined)[]): readonly RecordChange[] =>
      changes.map((change, at) => (inherited[at] === undefined ? change : { key: change.key, value: removedRecord }));
    return hidden.some(isPromise) ? Promise.all(hidden).then(own) : own(hidden as (Uint8Array | undefined)[]);
  }

  #handOver(changes: readonly RecordChange[], durable: boolean, givesBack: boolean): Settled<void> {
    const committed = this.#own.commit(changes, durable, givesBack);
    if (!isPromise(committed)) return;
    const done = committed.finally(() => this.#waiting.delete(done));
    this.#waiting.add(done);
    return done;
  }

  /** Whatever is committed from now on waits for it. */
  #behind(before: Promise<unknown>): void {
    const last: Promise<unknown> = before
      .catch(() => undefined)
      .then(() => {
        if (this.#last === last) this.#last = undefined;
      });
    this.#last = last;
  }
}

/** The records of a clone's tree; nothing where the store is no clone's. */
export async function cloneStoreOf(store: RecordsStore, broken?: BrokenTreeRule): Promise<CloneStore | undefined> {
  const inherited = await inheritedBy(store);
  return inherited === undefined ? undefined : new CloneStore(store, inherited, broken);
}
