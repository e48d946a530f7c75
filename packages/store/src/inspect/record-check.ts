import { systemStore, type ObjectId, type RecordChange, type SnapshotId, type StoreId } from '@ashlar/core';
import {
  bitmapKey,
  commitKey,
  objectKey,
  poolKey,
  recordKey,
  sealed,
  type DeadRecord,
  type SnapshotRecord,
  type StoreRecord,
} from '../records/keys.ts';
import type { RecordOverlay } from '../records/record-overlay.ts';
import type { Census } from './census.ts';
import type { Findings, Mend } from './findings.ts';
import type { JournalView } from './journal-view.ts';
import type { PoolFiles } from './pool-files.ts';
import { recordRows, type RecordRow } from './record-rows.ts';

/**
 * What somebody above the store says must be there: every object and snapshot that anybody still wants. `unknown` where that cannot be read: then
 * nothing is known to be nobody's. Undefined where there is nobody above it.
 */
export type Named =
  | {
      readonly objects: readonly { readonly store: StoreId; readonly object: ObjectId }[];
      readonly snapshots: readonly NamedSnapshot[];
    }
  | 'unknown'
  | undefined;

type NamedSnapshot = { readonly store: StoreId; readonly snapshot: SnapshotId };

/** What the records say of themselves. */
export type RecordFacts = {
  /** A record is damaged that may have been what slots and pages are referred to by. */
  readonly isPartial: boolean;
  /** The same may go for what is not told of as a record of a map. */
  readonly isDoubtful: boolean;
  /** Maps that are being deleted whose records are damaged. */
  readonly damagedDead: readonly number[];
  /** Stores that were deleted and of which records are left. */
  readonly strayStores: ReadonlySet<StoreId>;
  /** Bitmaps of places that the files do not have. */
  readonly outside: readonly Bitmap[];
  /** The newest that the journal has of damaged records: what the next start would bring home. */
  readonly journaled: readonly RecordChange[];
  /** Above every number that is in use, and the highest birth. */
  readonly nextObject: number;
  readonly nextStore: number;
  readonly highestBirth: number;
};

type Bitmap = { readonly kind: 'slots' | 'pages'; readonly index: number };

/** Kinds of records that are of a store, besides its own. */
const namedByStore: ReadonlySet<RecordRow['kind']> = new Set(['object', 'kept', 'snapshot', 'record']);

/** Without its record it is not known what a store was cloned from. */
const leadToMaps: ReadonlySet<RecordRow['kind']> = new Set(['object', 'kept', 'store']);

/** The checksum of each record, and what must be there and is not. What is on record as in use goes to the two counts. */
export function checkRecords(
  pool: PoolFiles,
  journal: JournalView,
  named: Named,
  findings: Findings,
  counts: { readonly slots: Census; readonly pages: Census },
): RecordFacts {
  return new RecordCheck(pool, journal, named, findings, counts).run();
}

class RecordCheck {
  readonly #pool: PoolFiles;
  readonly #journal: JournalView;
  readonly #named: Named;
  readonly #findings: Findings;
  readonly #counts: { readonly slots: Census; readonly pages: Census };
  readonly #stores = new Set<StoreId>();
  /** Stores that other records name, and those that were cloned from. */
  readonly #owners = new Set<StoreId>();
  readonly #origins = new Set<StoreId>();
  /** Snapshots that are on record, and those that others cannot be without, as `store@snapshot`. */
  readonly #snapshots = new Set<string>();
  readonly #needed = new Map<string, NamedSnapshot>();
  readonly #damagedDead: number[] = [];
  readonly #outside: Bitmap[] = [];
  readonly #journaled: RecordChange[] = [];
  #catalogue: RecordOverlay | undefined;
  #isPartial = false;
  #isDoubtful = false;
  #nextObject = 1;
  #nextStore = systemStore + 1;
  #highestBirth = 0;

  constructor(
    pool: PoolFiles,
    journal: JournalView,
    named: Named,
    findings: Findings,
    counts: { readonly slots: Census; readonly pages: Census },
  ) {
    this.#pool = pool;
    this.#journal = journal;
    this.#named = named;
    this.#findings = findings;
    this.#counts = counts;
  }

  run(): RecordFacts {
    for (const row of recordRows(this.#pool.records)) this.#take(row);
    const strayStores = this.#checkStores();
    this.#checkNamed();
    this.#checkPoolRecord();
    return {
      isPartial: this.#isPartial,
      isDoubtful: this.#isDoubtful || this.#named === 'unknown',
      damagedDead: this.#damagedDead,
      strayStores,
      outside: this.#outside,
      journaled: this.#journaled,
      nextObject: this.#nextObject,
      nextStore: this.#nextStore,
      highestBirth: this.#highestBirth,
    };
  }

  #take(row: RecordRow): void {
    const { kind, numbers, value } = row;
    const [first = 0, second = 0] = numbers;
    if (kind === 'slots' || kind === 'pages') return this.#takeBitmap(row, { kind, index: first });
    if (value === undefined) this.#tellDamaged(row);
    if (kind === 'object' || kind === 'kept') this.#uses(first, second);
    if (kind === 'kept' && this.#pool.records.get(objectKey(first, second)) !== undefined) {
      this.#needs({ store: first, snapshot: numbers[2] ?? 0 });
    }
    if (kind === 'snapshot') {
      this.#snapshots.add(nameOfSnapshot(first, second));
      this.#uses(first, 0, (value as SnapshotRecord | undefined)?.birth);
    }
    if (kind === 'dead') this.#takeDead(first, value as DeadRecord | undefined);
    if (kind === 'store') this.#takeStore(first, value as StoreRecord | undefined);
    else if (namedByStore.has(kind)) this.#owners.add(first);
    else if (kind === 'unknown') {
      this.#findings.add('record-unknown', `the database has a record that no Ashlar wrote: ${nameOf(row.key)}`);
    }
  }

  #takeStore(store: StoreId, record: StoreRecord | undefined): void {
    this.#stores.add(store);
    this.#uses(store, 0, record?.floor);
    const origin = record?.origin;
    // What was packed as undefined may come back as null.
    if (origin === undefined || origin === null) return;
    this.#origins.add(origin.store);
    this.#needs(origin);
  }

  #takeDead(id: number, record: DeadRecord | undefined): void {
    this.#uses(systemStore, id);
    if (record === undefined) return;
    this.#uses(record.store, record.object, Math.max(record.birth, record.floor));
  }

  #needs(snapshot: NamedSnapshot): void {
    this.#needed.set(nameOfSnapshot(snapshot.store, snapshot.snapshot), snapshot);
  }

  /** Numbers that must not be given out again. */
  #uses(store: StoreId, object: ObjectId, birth = 0): void {
    this.#nextStore = Math.max(this.#nextStore, store + 1);
    this.#nextObject = Math.max(this.#nextObject, object + 1);
    this.#highestBirth = Math.max(this.#highestBirth, birth);
  }

  #takeBitmap({ value }: RecordRow, bitmap: Bitmap): void {
    const census = this.#counts[bitmap.kind];
    if (value === undefined) census.lose(bitmap.index);
    else if (!census.claim(bitmap.index, value as Uint8Array)) this.#outside.push(bitmap);
  }

  #tellDamaged(row: RecordRow): void {
    const { kind, numbers } = row;
    const mend = this.#mendOf(row);
    tellDamagedRecord(this.#findings, row, mend);
    if (kind === 'dead') this.#damagedDead.push(numbers[0] ?? 0);
    else if (leadToMaps.has(kind)) this.#isPartial = true;
    // Whether it is the value that is damaged or the key, which says what it was, nobody knows.
    else if (mend === 'none') this.#isDoubtful = true;
  }

  #mendOf({ kind, name, numbers }: RecordRow): Mend {
    if (kind === 'dead') return 'repair';
    if (kind === 'commit') {
      // Each commit writes it anew: the one that mends does.
      this.#journaled.push({ key: commitKey, value: null });
      return 'repair';
    }
    if (kind !== 'record' || numbers[0] !== systemStore) return 'none';
    this.#catalogue ??= this.#journal.catalogueChanges();
    const value = this.#catalogue.get(name);
    if (value === undefined) return 'none';
    const key = recordKey(systemStore, name);
    this.#journaled.push({ key, value: value === null ? null : sealed(key, value) });
    return 'repair';
  }

  /** Gives the stores that were deleted: which those are is known where everybody is known who wants one. */
  #checkStores(): ReadonlySet<StoreId> {
    const strays = new Set<StoreId>();
    const wanted = this.#isPartial || this.#isDoubtful ? 'unknown' : this.#named;
    const isStray = (store: StoreId): boolean => {
      if (wanted === undefined || wanted === 'unknown' || store === systemStore || this.#origins.has(store))
        return false;
      return wanted.objects.every((each) => each.store !== store);
    };
    for (const store of this.#owners) {
      if (this.#stores.has(store)) continue;
      if (isStray(store)) {
        strays.add(store);
        const sentence = `store ${store} was deleted, and the database has records of it`;
        this.#findings.add('record-stray', sentence, { store }, 'repair');
        continue;
      }
      this.#isDoubtful = true;
      this.#findings.add('record-missing', `store ${store} has objects or records, and no record of its own`, {
        store,
      });
    }
    return strays;
  }

  /** What somebody wants is on record, or made by what is in the journal. */
  #checkNamed(): void {
    const named = this.#named === undefined || this.#named === 'unknown' ? undefined : this.#named;
    for (const snapshot of named?.snapshots ?? []) this.#needs(snapshot);
    const there = new Set<string>();
    const nameOfPlace = (store: StoreId, object: ObjectId): string => `${store}/${object}`;
    for (const { kind, numbers } of recordRows(this.#pool.records)) {
      if (kind === 'object') there.add(nameOfPlace(numbers[0] ?? 0, numbers[1] ?? 0));
    }
    for (const { record } of this.#journal.taken()) {
      if (record.kind === 'create') there.add(nameOfPlace(record.store, record.object));
      if (record.kind === 'snapshot') this.#snapshots.add(nameOfSnapshot(record.store, record.snapshot));
    }
    for (const [name, { store, snapshot }] of this.#needed) {
      if (this.#snapshots.has(name) || !this.#stores.has(store)) continue;
      this.#isDoubtful = true;
      const sentence = `snapshot ${snapshot} of store ${store} has no record, and others go by it`;
      this.#findings.add('record-missing', sentence, { store, snapshot });
    }
    for (const { store, object } of named?.objects ?? []) {
      if (there.has(nameOfPlace(store, object))) continue;
      this.#isDoubtful = true;
      const sentence = `the catalogue has a volume in object ${object} of store ${store}, of which there is no record`;
      this.#findings.add('record-missing', sentence, { store, object });
    }
  }

  #checkPoolRecord(): void {
    const { record } = this.#pool;
    if (record === undefined) {
      this.#isPartial = true;
      if (this.#pool.records.get(poolKey) !== undefined) return;
      const sentence = "the pool's own record is missing: neither data nor journal can be verified";
      this.#findings.add('record-missing', sentence);
      return;
    }
    for (const [what, next, least] of [
      ['object', record.nextObject, this.#nextObject],
      ['store', record.nextStore, this.#nextStore],
    ] as const) {
      if (next < least) tellLow(this.#findings, what, next, least);
    }
  }
}

/** The next number of a kind that the pool would give out is in use. `least`: the first that is not. */
export function tellLow(findings: Findings, what: 'object' | 'store' | 'birth', next: number, least: number): void {
  const sentence = `the pool would give out the ${what} number ${next} again: numbers below ${least} are in use`;
  findings.add('number-low', sentence, { next, least }, 'repair');
}

function tellDamagedRecord(
  findings: Findings,
  { kind, key, numbers }: Pick<RecordRow, 'kind' | 'key' | 'numbers'>,
  mend: Mend,
  more = '',
): void {
  const number = numbers.length === 0 ? '' : ` ${numbers.join('/')}`;
  const sentence = `the record ${kind}${number} of the database (${nameOf(key)}) does not fit its checksum${more}`;
  const [first, second] = numbers;
  const where = { ...(first === undefined ? {} : { first }), ...(second === undefined ? {} : { second }) };
  findings.add('record-damaged', sentence, where, mend);
}

/** `isKnown`: the maps say what it must say. Else a repair takes for in use whatever may be, of which some is leaked then. */
export function tellDamagedBitmap(findings: Findings, { kind, index }: Bitmap, mend: Mend, isKnown: boolean): void {
  const more = isKnown ? '' : `: until the maps are in order all of its ${kind} count as in use`;
  tellDamagedRecord(findings, { kind, key: bitmapKey(kind, index), numbers: [index] }, mend, more);
}

const nameOfSnapshot = (store: StoreId, snapshot: SnapshotId): string => `${store}@${snapshot}`;

const nameOf = (key: Uint8Array): string => `key ${Buffer.from(key).toString('hex')}`;
