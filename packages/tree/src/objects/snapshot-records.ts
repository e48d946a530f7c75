import { andThen, type Settled } from '@ashlar/core';
import { nameOf } from './keys.ts';
import { birthOf, keyOfVersion, untilOfVersion, valueIn, versionsBehind, versionsFrom } from './record-versions.ts';
import { behind, endOf, scanPages, type ScanPage } from './paged-scan.ts';
import type { RecordsReader, StoredRecord, TreeRecords } from './tree-records.ts';

/** Earlier records that are looked at in one go. */
const mostVersions = 1000;

/** Records with the epochs that they were written in. */
export type StampedReader = Pick<TreeRecords, 'getStamped' | 'scanStamped'>;

/** Records as the snapshot has them that ended an epoch: of a tree that goes on being changed. Where they are told at once, all of an answer is of one moment. */
export class SnapshotRecords implements RecordsReader {
  readonly #records: StampedReader;
  readonly #epoch: number;

  constructor(records: StampedReader, epoch: number) {
    this.#records = records;
    this.#epoch = epoch;
  }

  get(key: Uint8Array): Settled<Uint8Array | undefined> {
    // The record itself first: what it was is kept before it is changed.
    return andThen(this.#records.getStamped(key), (record) =>
      andThen(this.#records.scanStamped(...versionsFrom(key, this.#epoch), 1), ([version]) =>
        this.#asThen(version?.value ?? record),
      ),
    );
  }

  scan(from: Uint8Array, to: Uint8Array, limit: number): Settled<readonly StoredRecord[]> {
    return scanPages(Buffer.from(from), limit, (next) => this.#page(next, to, limit));
  }

  #page(from: Buffer, to: Uint8Array, limit: number): Settled<ScanPage> {
    return andThen(this.#records.scanStamped(from, to, limit), (records) =>
      andThen(this.#records.scanStamped(versionsBehind(from), versionsBehind(to), mostVersions), (versions) => {
        const lastRecord = records.length < limit ? undefined : behind(records.at(-1)!.key);
        const lastVersion = versions.length < mostVersions ? undefined : keyOfVersion(versions.at(-1)!.key);
        const end = endOf(lastRecord, lastVersion);
        // All earlier records of one key fill the page: it is asked for by itself.
        if (end !== undefined && end.compare(from) <= 0) return this.#only(from);
        // Earlier records of the key that `from` comes behind lie behind it as well.
        const own = versions.filter(({ key }) => keyOfVersion(key).compare(from) >= 0);
        return { records: this.#asThenAll(records, own, end), end };
      }),
    );
  }

  /** Those before `end`, in order. */
  #asThenAll(
    records: readonly StoredRecord[],
    versions: readonly StoredRecord[],
    end: Buffer | undefined,
  ): readonly StoredRecord[] {
    const all = new Map<string, Uint8Array>();
    for (const { key, value } of records) all.set(nameOf(key), value);
    const isKept = new Set<string>();
    for (const { key: versioned, value } of versions) {
      if (untilOfVersion(versioned) < this.#epoch) continue;
      const key = nameOf(keyOfVersion(versioned));
      // They come in the order of their epochs.
      if (isKept.has(key)) continue;
      isKept.add(key);
      all.set(key, value);
    }
    const listed = [...all].flatMap(([text, record]) => {
      const [key, value] = [Buffer.from(text, 'latin1'), this.#asThen(record)];
      return value === undefined || (end !== undefined && key.compare(end) >= 0) ? [] : [{ key, value }];
    });
    return listed.toSorted((one, other) => one.key.compare(other.key));
  }

  #only(key: Buffer): Settled<ScanPage> {
    return andThen(this.get(key), (value) => ({
      records: value === undefined ? [] : [{ key, value }],
      end: behind(key),
    }));
  }

  #asThen(record: Uint8Array | undefined): Uint8Array | undefined {
    return record === undefined || birthOf(record) > this.#epoch ? undefined : valueIn(record);
  }
}
