import { andThen, type Settled } from '@ashlar/core';
import { nameOf } from './keys.ts';
import { birthOf, keyOfVersion, untilOfVersion, valueIn, versionsBehind, versionsFrom } from './record-versions.ts';
import type { RecordsReader, StoredRecord, TreeRecords } from './tree-records.ts';

type Page = { readonly records: readonly StoredRecord[]; readonly end: Buffer | undefined };

/** Earlier records that are looked at in one go. */
const mostVersions = 1000;

/** Records as the snapshot has them that ended an epoch: of a tree that goes on being changed. */
export class SnapshotRecords implements RecordsReader {
  readonly #records: TreeRecords;
  readonly #epoch: number;

  constructor(records: TreeRecords, epoch: number) {
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

  async scan(from: Uint8Array, to: Uint8Array, limit: number): Promise<readonly StoredRecord[]> {
    const found: StoredRecord[] = [];
    for (let next: Buffer = Buffer.from(from); found.length < limit;) {
      const page = await this.#page(next, to, limit);
      found.push(...page.records);
      if (page.end === undefined) break;
      next = page.end;
    }
    return found.slice(0, limit);
  }

  /** Some records from a key on, in order, and where to go on. */
  async #page(from: Buffer, to: Uint8Array, limit: number): Promise<Page> {
    const records = await this.#records.scanStamped(from, to, limit);
    const versions = await this.#records.scanStamped(versionsBehind(from), versionsBehind(to), mostVersions);
    // Of the last key of either there may be more, or more between.
    const lastRecord = records.length < limit ? undefined : Buffer.concat([records.at(-1)!.key, Buffer.of(0)]);
    const lastVersion = versions.length < mostVersions ? undefined : keyOfVersion(versions.at(-1)!.key);
    const ends = [lastRecord, lastVersion].filter((each) => each !== undefined);
    const end = ends.length === 0 ? undefined : ends.reduce((one, other) => (one.compare(other) < 0 ? one : other));
    // All earlier records of one key fill the page: it is asked for by itself.
    if (end !== undefined && end.compare(from) <= 0) return this.#only(from);
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
    return { records: listed.toSorted((one, other) => one.key.compare(other.key)), end };
  }

  async #only(key: Buffer): Promise<Page> {
    const value = await this.get(key);
    return { records: value === undefined ? [] : [{ key, value }], end: Buffer.concat([key, Buffer.of(0)]) };
  }

  #asThen(record: Uint8Array | undefined): Uint8Array | undefined {
    return record === undefined || birthOf(record) > this.#epoch ? undefined : valueIn(record);
  }
}
