import { assert, systemStore, type ObjectId, type StoreId, type Settled } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { historyOf, type JournalSpan } from '../journal-history.ts';
import { rootOf } from '../kept.ts';
import type { ObjectRecord } from '../records/keys.ts';
import { scanMerged } from '../records/scan.ts';
import { checkFiles, type CheckOptions, type PoolReport } from './check.ts';
import { JournalView } from './journal-view.ts';
import { objectRecordOf, walkMap, type MapRow } from './map-rows.ts';
import { openPoolFiles, type InspectOptions, type PoolFiles } from './pool-files.ts';
import { recordRows, type RecordRow } from './record-rows.ts';
import { repairFiles, type RepairReport } from './repair.ts';
import { viewSlot, type SlotView } from './slot-view.ts';

/** Looks into the pool of a server that does not run, and changes nothing in it but by `repair`. */
export class PoolInspection {
  readonly #files: PoolFiles;
  readonly #isAlone: boolean;
  #journal: JournalView | undefined;

  private constructor(files: PoolFiles, isAlone: boolean) {
    this.#files = files;
    this.#isAlone = isAlone;
  }

  /** Fails with `busy` where a server has the pool, `not-found`, `corrupt`, `unsupported`, `denied`. */
  static open(host: Host, path: string, options: InspectOptions = {}): PoolInspection {
    return new PoolInspection(openPoolFiles(host, path, options), options.isAlone ?? false);
  }

  get path(): string {
    return this.#files.path;
  }

  /** Bytes. */
  get chunkSizeBytes(): number {
    return this.#files.superblock.chunkSizeBytes;
  }

  /** The frames behind the last checkpoint that a recovery looks for. */
  get history(): readonly JournalSpan[] {
    return historyOf(this.#files.record);
  }

  /** The journal behind the last checkpoint. */
  async journal(): Promise<JournalView> {
    return (this.#journal ??= await JournalView.open(this.#files));
  }

  /** Every record of the database, the pool's own ones too. */
  records(): Iterable<RecordRow> {
    return recordRows(this.#files.records);
  }

  /** As ObjectStore.scanRecords of the catalogue's store; what is in the journal only is there as well. Fails with `corrupt`. */
  async scanRecords(
    from: Uint8Array,
    to: Uint8Array,
    limit: number,
  ): Promise<{ readonly key: Uint8Array; readonly value: Uint8Array }[]> {
    const overlay = (await this.journal()).catalogueChanges();
    return scanMerged({ records: this.#files.records, overlay }, systemStore, from, to, limit);
  }

  /** What the database says of an object, nothing where only the journal knows it. Fails with `corrupt`. */
  objectRecord(store: StoreId, object: ObjectId): ObjectRecord | undefined {
    return objectRecordOf(this.#files, store, object);
  }

  /** Tells the chunks of an object's committed map in order, one after the other. */
  async walkMap(record: ObjectRecord, visit: (row: MapRow) => Settled<void>): Promise<void> {
    await walkMap(this.#files, rootOf(record), visit);
  }

  /** The file or device that a slot lies in, and where it begins there; nothing where there is none. */
  placeOf(slot: number): { readonly path: string; readonly offset: number } | undefined {
    return this.#files.data.placeOf(slot);
  }

  /** Fails with `out-of-range`. */
  async slot(slot: number): Promise<SlotView> {
    return await viewSlot(this.#files, await this.journal(), slot);
  }

  /** Reads and verifies everything that the pool keeps. */
  async check(options: CheckOptions = {}): Promise<PoolReport> {
    return (await checkFiles(this.#files, await this.journal(), options)).report;
  }

  /** Checks, mends what leaves no doubt, and checks again. Only where it was opened alone. Fails with `no-space`, `io`: then nothing was changed. */
  async repair(options: CheckOptions = {}): Promise<RepairReport> {
    assert(this.#isAlone, 'a pool is mended only when nobody else has it');
    return await repairFiles(this.#files, await this.journal(), options);
  }

  async close(): Promise<void> {
    this.#journal?.close();
    await this.#files.close();
  }
}
