import { isPromise, type RecordChange, type SnapshotId } from '@ashlar/core';
import { bytesOfChanges, lotsOf } from './batches.ts';
import type { BrokenTreeRule } from './broken-rule.ts';
import { prefix } from './keys.ts';
import {
  birthOf,
  epochBytes,
  firstEpoch,
  keyOfVersion,
  stamped,
  untilOfVersion,
  versionKey,
  versionKeys,
} from './record-versions.ts';
import type { Epochs, RecordsStore, TreeRecords } from './tree-records.ts';

/** A snapshot of the records of a tree, which goes with one of the store. */
export type TreeSnapshot = { readonly epoch: number; readonly id: SnapshotId };

const epochKey = Buffer.of(prefix.epoch);
const snapshotBytes = 8;
/** Of one whose store's snapshot was not taken, or is gone: what is kept for it is given back. */
const noSnapshot = 0;
/** Earlier records that are looked at in one go. */
const mostAtOnce = 1000;

function snapshotKey(epoch: number): Buffer {
  const key = Buffer.alloc(1 + epochBytes);
  key[0] = prefix.snapshot;
  key.writeUInt32BE(epoch, 1);
  return key;
}

function snapshotRecord({ epoch, id }: TreeSnapshot): RecordChange {
  const value = Buffer.alloc(snapshotBytes);
  value.writeBigUInt64LE(BigInt(id));
  return { key: snapshotKey(epoch), value: stamped(value, epoch) };
}

function epochRecord(epoch: number): RecordChange {
  const value = Buffer.alloc(epochBytes);
  value.writeUInt32LE(epoch);
  return { key: epochKey, value: stamped(value, epoch) };
}

/** What is kept of epochs and snapshots, as a store has it. */
export async function loadSnapshots(
  store: Pick<RecordsStore, 'getRecord' | 'scanRecords'>,
): Promise<{ readonly epochs: Epochs; readonly snapshots: TreeSnapshot[] }> {
  const record = await store.getRecord(epochKey);
  const current = record === undefined ? firstEpoch : Buffer.from(record).readUInt32LE(epochBytes);
  const found = await store.scanRecords(Buffer.of(prefix.snapshot), Buffer.of(prefix.snapshot + 1), mostSnapshots);
  const snapshots = found.map(({ key, value }) => ({
    epoch: Buffer.from(key).readUInt32BE(1),
    id: Number(Buffer.from(value).readBigUInt64LE(epochBytes)),
  }));
  return { epochs: { current, newestSnapshot: snapshots.at(-1)?.epoch }, snapshots };
}

/** A volume has fewer. */
const mostSnapshots = 100_000;

/** The snapshots of a tree that is open. */
export class TreeSnapshots {
  readonly #records: TreeRecords;
  readonly #epochs: Epochs;
  readonly #broken: BrokenTreeRule | undefined;
  /** In the order of their epochs. */
  #all: TreeSnapshot[];
  #dropping: Promise<void> = Promise.resolve();
  #isEnding = false;

  constructor(records: TreeRecords, epochs: Epochs, snapshots: readonly TreeSnapshot[], broken?: BrokenTreeRule) {
    this.#broken = broken;
    this.#records = records;
    this.#epochs = epochs;
    this.#all = [...snapshots];
  }

  find(id: SnapshotId): TreeSnapshot | undefined {
    return this.#all.find((each) => each.id === id);
  }

  /** Ends the epoch: what is changed from now on is kept as it is. No file is changed meanwhile. Gives the snapshot that `took` or `drop` ends. */
  async begin(): Promise<TreeSnapshot> {
    const snapshot = { epoch: this.#epochs.current, id: noSnapshot };
    // At once: whatever is changed from now on keeps what it was.
    if (this.#broken !== 'epoch-not-ended') this.#epochs.current += 1;
    this.#epochs.newestSnapshot = snapshot.epoch;
    this.#all.push(snapshot);
    try {
      await this.#commit([snapshotRecord(snapshot), epochRecord(snapshot.epoch + 1)]);
    } catch (error) {
      this.#all = this.#all.filter((each) => each !== snapshot);
      this.#epochs.newestSnapshot = this.#all.at(-1)?.epoch;
      throw error;
    }
    return snapshot;
  }

  /** The store has a snapshot of the same moment. */
  async took({ epoch }: TreeSnapshot, id: SnapshotId): Promise<void> {
    const snapshot = { epoch, id };
    await this.#commit([snapshotRecord(snapshot)]);
    this.#all = this.#all.map((each) => (each.epoch === epoch ? snapshot : each));
  }

  /** Of whatever the store has no snapshot any more: what is kept for it is given back, behind everything else. */
  async keepOnly(ids: ReadonlySet<SnapshotId>): Promise<void> {
    for (const snapshot of this.#all.filter(({ id }) => !ids.has(id))) await this.drop(snapshot);
  }

  /** Nobody reads it any more. What is left to do goes on with the next start. */
  async drop(snapshot: TreeSnapshot): Promise<void> {
    const { epoch } = snapshot;
    if (snapshot.id !== noSnapshot) await this.#commit([snapshotRecord({ epoch, id: noSnapshot })]);
    this.#all = this.#all.filter((each) => each.epoch !== epoch);
    this.#epochs.newestSnapshot = this.#all.at(-1)?.epoch;
    const before = this.#all.findLast((each) => each.epoch < epoch)?.epoch;
    this.#dropping = this.#dropping.then(() => this.#sweep(epoch, before)).catch(() => undefined);
  }

  /** Settles when nothing is given back any more. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#dropping;
  }

  /** Settles when all is given back. */
  async idle(): Promise<void> {
    await this.#dropping;
  }

  /** What was kept for one snapshot is what the one before it has, or nobody's. */
  async #sweep(epoch: number, before: number | undefined): Promise<void> {
    const [start, to] = versionKeys;
    for (let from = start; !this.#isEnding;) {
      const found = await this.#records.scanStamped(from, to, mostAtOnce);
      const changes = found.flatMap(({ key, value }): RecordChange[][] => {
        if (untilOfVersion(key) !== epoch) return [];
        const isBefore = before !== undefined && birthOf(value) <= before;
        const goes = isBefore && this.#broken !== 'earlier-not-handed-on';
        const moved = goes ? [{ key: versionKey(keyOfVersion(key), before), value }] : [];
        return [[{ key, value: null }, ...moved]];
      });
      for (const lot of lotsOf(changes, bytesOfChanges)) await this.#commit(lot.flat());
      const last = found.at(-1);
      if (last === undefined || found.length < mostAtOnce) {
        await this.#commit([{ key: snapshotKey(epoch), value: null }]);
        return;
      }
      from = Buffer.concat([last.key, Buffer.of(0)]);
    }
  }

  async #commit(changes: readonly RecordChange[]): Promise<void> {
    const committed = this.#records.commitStamped(changes);
    if (isPromise(committed)) await committed;
  }
}
