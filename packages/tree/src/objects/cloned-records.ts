import { andThen, AshlarError, type OriginRecords, type Settled } from '@ashlar/core';
import { flatKey, nameOf } from './keys.ts';
import { behind, endOf, scanPages, type ScanPage } from './paged-scan.ts';
import { isVersioned, stamped, valueIn } from './record-versions.ts';
import { SnapshotRecords } from './snapshot-records.ts';
import type { RecordsReader, StoredRecord } from './tree-records.ts';
import { loadSnapshots } from './tree-snapshots.ts';

/**
 * Records of a clone. Its own lie over those that the snapshot has that it was cloned from: those of whatever snapshots have, and nothing else. They read as if they
 * were written before its first epoch. One that it removed is kept as such, as long as the snapshot has it.
 */
type OwnRecords = Pick<OriginRecords, 'getRecord' | 'scanRecords'>;

/** Before any other. */
export const inheritedEpoch = 0;
/** Less than any record has. */
export const removedRecord: Uint8Array = Buffer.of(0);
export const isRemoved = (value: Uint8Array): boolean => value.length === removedRecord.length;

/** How far a clone's records have become its own: all are, and what it removed of its origin's may be kept as such; or it is no clone's any more. */
export const flatness = { copied: 0, flat: 1 } as const;

export const flatRecord = (is: number): Buffer => stamped(Buffer.of(is), inheritedEpoch);

/** Of one that has nothing of its origin any more, and keeps what it removed of that. */
export const nothingInherited: RecordsReader = { get: () => undefined, scan: () => [] };

/** What a clone has of its origin; nothing where the store is no clone's, or is flat. Fails with `corrupt`. */
export async function inheritedBy(
  store: OwnRecords & { readonly origin: OriginRecords | undefined },
): Promise<RecordsReader | undefined> {
  const flat = await store.getRecord(flatKey);
  if (flat !== undefined) return valueIn(flat)[0] === flatness.copied ? nothingInherited : undefined;
  const { origin } = store;
  if (origin === undefined) return undefined;
  const { snapshots } = await loadSnapshots(origin);
  const snapshot = snapshots.findLast(({ id }) => id === origin.snapshot);
  if (snapshot === undefined) {
    throw new AshlarError('corrupt', 'what the file tree was cloned from has no such snapshot');
  }
  const under = await inheritedBy(origin);
  const whole = under === undefined ? origin : new ClonedRecords(origin, under);
  const reader = {
    getStamped: (key: Uint8Array) => whole.getRecord(key),
    scanStamped: (from: Uint8Array, to: Uint8Array, limit: number) => whole.scanRecords(from, to, limit),
  };
  return new SnapshotRecords(reader, snapshot.epoch);
}

/** Reads them, with the epochs that they were written in. */
export class ClonedRecords implements OwnRecords {
  readonly #own: OwnRecords;
  readonly #inherited: RecordsReader;

  constructor(own: OwnRecords, inherited: RecordsReader) {
    this.#own = own;
    this.#inherited = inherited;
  }

  getRecord(key: Uint8Array): Settled<Uint8Array | undefined> {
    return andThen(this.#own.getRecord(key), (own) => {
      if (own !== undefined) return isRemoved(own) ? undefined : own;
      if (!isVersioned(key)) return undefined;
      return andThen(this.#inherited.get(key), (value) =>
        value === undefined ? undefined : stamped(value, inheritedEpoch),
      );
    });
  }

  scanRecords(from: Uint8Array, to: Uint8Array, limit: number): Settled<readonly StoredRecord[]> {
    if (!isVersioned(from)) return this.#own.scanRecords(from, to, limit);
    return scanPages(Buffer.from(from), limit, (next) => this.#page(next, to, limit));
  }

  #page(from: Buffer, to: Uint8Array, limit: number): Settled<ScanPage> {
    return andThen(this.#own.scanRecords(from, to, limit), (own) =>
      andThen(this.#inherited.scan(from, to, limit), (inherited) => {
        const [ownEnd, inheritedEnd] = [own, inherited].map((found) =>
          found.length < limit ? undefined : behind(found.at(-1)!.key),
        );
        const end = endOf(ownEnd, inheritedEnd);
        return { records: merged(own, inherited, end), end };
      }),
    );
  }
}

/** Those before `end`, in order. */
function merged(
  own: readonly StoredRecord[],
  inherited: readonly StoredRecord[],
  end: Buffer | undefined,
): readonly StoredRecord[] {
  const all = new Map<string, StoredRecord>();
  for (const { key, value } of inherited) {
    if (isVersioned(key)) all.set(nameOf(key), { key, value: stamped(value, inheritedEpoch) });
  }
  for (const record of own) all.set(nameOf(record.key), record);
  return [...all.values()]
    .filter(({ key, value }) => !isRemoved(value) && (end === undefined || Buffer.compare(key, end) < 0))
    .toSorted((one, other) => Buffer.compare(one.key, other.key));
}
