import { andThen, AshlarError, type Settled } from '@ashlar/core';
import { checkName } from '../names.ts';
import {
  decodeEntries,
  encodeEntries,
  entryKey,
  entryNamed,
  nameHash,
  withEntry,
  withoutEntry,
  type Entry,
  type NameHash,
} from './entries.ts';
import type { Inode } from './inode.ts';
import type { Batch, ReadState } from './tree-state.ts';

/** A name that was looked for in a directory, with those that have its hash. */
export type Slot = {
  readonly directory: number;
  readonly name: Buffer;
  readonly hash: NameHash;
  readonly entries: readonly Entry[];
  readonly entry: Entry | undefined;
};

/** Looks for a name. Fails with `invalid` and `name-too-long` for what can be none. */
export function slotOf(
  state: Pick<ReadState, 'hashKey' | 'records'>,
  { number }: Inode,
  name: Uint8Array,
): Settled<Slot> {
  checkName(name);
  const hash = nameHash(name, state.hashKey);
  const own = Buffer.from(name);
  return andThen(state.records.get(entryKey(number, hash)), (record) => {
    const entries = record === undefined ? [] : decodeEntries(record);
    return { directory: number, name: own, hash, entries, entry: entryNamed(entries, own) };
  });
}

/** The name is of that file from now on, in place of what it was of. Gives the slot as it is then. */
export function fillSlot(batch: Batch, slot: Slot, { number: inode, type }: Pick<Inode, 'number' | 'type'>): Slot {
  const others = slot.entry === undefined ? slot.entries : withoutEntry(slot.entries, slot.entry);
  return stored(batch, slot, withEntry(others, { name: slot.name, inode, type }));
}

/** The name is of nothing any more. */
export function emptySlot(batch: Batch, slot: Slot): Slot {
  if (slot.entry === undefined) return slot;
  return stored(batch, slot, withoutEntry(slot.entries, slot.entry));
}

function stored(batch: Batch, slot: Slot, entries: readonly Entry[]): Slot {
  batch.record(entryKey(slot.directory, slot.hash), entries.length === 0 ? null : encodeEntries(entries));
  return { ...slot, entries, entry: entryNamed(entries, slot.name) };
}

/** Two slots may be of one record: what was changed of the first is there for the second. */
export const isSameRecord = (one: Slot, other: Slot): boolean =>
  one.directory === other.directory && one.hash.high === other.hash.high && one.hash.low === other.hash.low;

export const within = (slot: Slot, changed: Slot): Slot => ({
  ...slot,
  entries: changed.entries,
  entry: entryNamed(changed.entries, slot.name),
});

export const notFound = (): AshlarError => new AshlarError('not-found', 'there is no file of that name');
