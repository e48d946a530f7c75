import { AshlarError, type ObjectId, type SnapshotId, type StoreId } from '@ashlar/core';
import { deadBehind } from '../dead-trees.ts';
import { firstKept, rootOf } from '../kept.ts';
import { emptyTree } from '../page-tree.ts';
import {
  getPacked,
  keptKey,
  keptRange,
  keyNumber,
  keyRange,
  objectKey,
  snapshotKey,
  storeKey,
  unpackSealed,
  type DeadRecord,
  type ObjectRecord,
  type SnapshotRecord,
  type StoreRecord,
} from '../records/keys.ts';
import { objectRecordOf } from './map-rows.ts';
import type { Beside } from './page-reader.ts';
import type { PoolFiles } from './pool-files.ts';
import { recordRows } from './record-rows.ts';

/** An object's state. */
export type Owner = {
  readonly store: StoreId;
  readonly object: ObjectId;
  /** The newest snapshot that has it; nothing for the object as it is now. */
  readonly snapshot: SnapshotId | undefined;
};

/** What is on record of an object's state. */
export type Recorded = Owner & { readonly record: ObjectRecord };

/** One state that is on record of an object. */
export type State = Recorded & {
  /** The state in front of it, which it shares pages and slots with; nothing where it is the first, `unknown` where that is damaged. */
  readonly before: Recorded | 'unknown' | undefined;
};

/** A map that is nobody's any more, by its number, and the map of the state behind it: what that has as well is not freed with it. */
export type Dead = { readonly id: number; readonly record: DeadRecord; readonly behind: Beside };

type Records = Pick<PoolFiles, 'records'>;

/** Every state of every object that is on record and whole. */
export function* statesOf(pool: Records): Generator<State> {
  for (const { kind, numbers, value } of recordRows(pool.records)) {
    if ((kind !== 'object' && kind !== 'kept') || value === undefined) continue;
    const [store = 0, object = 0] = numbers;
    const snapshot = kind === 'kept' ? numbers[2] : undefined;
    const before = stateBefore(pool, store, object, snapshot);
    yield { store, object, snapshot, record: value as ObjectRecord, before };
  }
}

/** Every dead map that is on record and whole, but for those that are passed over as if they were not there. */
export function* deadOf(pool: Records, passed: ReadonlySet<number> = new Set()): Generator<Dead> {
  const dead: [number, DeadRecord][] = [];
  for (const { kind, numbers, value } of recordRows(pool.records)) {
    const [id = 0] = numbers;
    if (kind === 'dead' && value !== undefined && !passed.has(id)) dead.push([id, value as DeadRecord]);
  }
  for (const [id, record] of dead) {
    const next = deadBehind(dead, id, record);
    yield { id, record, behind: record.snapshot < 0 ? emptyTree : behindDead(pool, next, record) };
  }
}

/** As the background frees it. `next`: the dead map of the next snapshot, or of the object. */
function behindDead(pool: Records, next: DeadRecord | undefined, { store, object, snapshot }: DeadRecord): Beside {
  const kept = whole(() => firstKept(pool, store, object, snapshot + 1));
  if (kept === 'unknown') return kept;
  if (next !== undefined && next.snapshot >= 0 && next.snapshot < (kept?.snapshot ?? Infinity)) return rootOf(next);
  const state = kept?.record ?? whole(() => objectRecordOf(pool, store, object)) ?? next;
  if (state === 'unknown') return state;
  return state === undefined ? emptyTree : rootOf(state);
}

/** The map of a state, to walk beside another. */
export function besideOf(state: State['before']): Beside {
  if (state === 'unknown') return state;
  return state === undefined ? emptyTree : rootOf(state.record);
}

function stateBefore(
  pool: Records,
  store: StoreId,
  object: ObjectId,
  snapshot: SnapshotId | undefined,
): State['before'] {
  let found: State['before'];
  const { from, to } = keptRange(store, object);
  const end = snapshot === undefined ? to : keptKey(store, object, snapshot);
  pool.records.scan(from, end, (key, bytes) => {
    found = whole(() => ({ store, object, snapshot: keyNumber(key, 2), record: unpackSealed(key, bytes) }));
    return true;
  });
  if (found !== undefined) return found;
  const origin = originOf(pool, store);
  if (origin === undefined || origin === 'unknown') return origin;
  // What was made behind the snapshot has another number in the clone.
  return stateFrom(pool, origin.store, object, origin.snapshot);
}

/** The first state that is kept for that snapshot or one behind it, or else the object as it is now. */
function stateFrom(pool: Records, store: StoreId, object: ObjectId, snapshot: SnapshotId): State['before'] {
  return whole(() => {
    const kept = firstKept(pool, store, object, snapshot);
    if (kept !== undefined) return { store, object, ...kept };
    const record = objectRecordOf(pool, store, object);
    return record === undefined ? undefined : { store, object, snapshot: undefined, record };
  });
}

/** The last birth that what the state has can have: that of the first snapshot that ended a generation in which it had not changed. */
export function lastBirthOf(pool: Records, { store, record }: Recorded): number {
  let birth = Infinity;
  const { to } = keyRange('n', store);
  pool.records.scan(snapshotKey(store, record.generation), to, (key, bytes) => {
    const found = whole(() => unpackSealed<SnapshotRecord>(key, bytes));
    if (found !== 'unknown') birth = found.birth;
    return found === 'unknown';
  });
  return birth;
}

function originOf(pool: Records, store: StoreId): StoreRecord['origin'] | 'unknown' {
  return whole(() => getPacked<StoreRecord>(pool.records, storeKey(store))?.origin);
}

function whole<T>(read: () => T): T | 'unknown' {
  try {
    return read();
  } catch (error) {
    if (error instanceof AshlarError && error.kind === 'corrupt') return 'unknown';
    throw error;
  }
}

/** As it is named in a sentence. */
export function nameOfOwner({ store, object, snapshot }: Owner): string {
  const live = `object ${object} of store ${store}`;
  return snapshot === undefined ? live : `${live} in snapshot ${snapshot}`;
}

/** As it is named in a report's fields. */
export function whereOf({ store, object, snapshot }: Owner): Record<string, number> {
  return snapshot === undefined ? { store, object } : { store, object, snapshot };
}

/** The key of what is on record of it. */
export function keyOf({ store, object, snapshot }: Owner): Uint8Array {
  return snapshot === undefined ? objectKey(store, object) : keptKey(store, object, snapshot);
}
