import {
  andThen,
  AshlarError,
  errorKindOf,
  isPromise,
  type Credentials,
  type FileChange,
  type FileHandle,
  type Settled,
} from '@ashlar/core';
import { checkWrite, modeAfterWrite } from '../permissions.ts';
import { attributesOf, blockBytes, roomFor, stateOf } from './attributes.ts';
import { lotsOf, mostBatchBytes } from './batches.ts';
import { handleIn } from './handles.ts';
import { recordBytesOf, type Inode } from './inode.ts';
import { freeRegionKey } from './keys.ts';
import { tableOf } from './region-tables.ts';
import { regionAt, regionBytes, regionOf } from './regions.ts';
import { mostFileBytes } from './resize.ts';
import { together } from './together.ts';
import { Batch, commitBatch, inodeOf, type TreeState } from './tree-state.ts';

/** What a write changed; its bytes are there, and what its inode says of it is, until it is on record, in memory alone. */
export type Written = { readonly number: number; readonly change: FileChange };

export const writeFile = (
  state: TreeState,
  file: FileHandle,
  offset: number,
  from: Uint8Array,
  who: Credentials,
): Settled<Written> => whileRoomComes(state, () => writeOnce(state, file, offset, from, who));

/** Tries again what finds no room, as long as bytes of files that are gone are being given back. */
function whileRoomComes<T>(state: TreeState, attempt: () => Settled<T>): Settled<T> {
  const again = (error: unknown): Promise<T> => {
    const coming = errorKindOf(error) === 'no-space' ? state.reclaimed() : undefined;
    if (coming === undefined) throw error;
    return coming.then(() => whileRoomComes(state, attempt));
  };
  try {
    const done = attempt();
    return isPromise(done) ? done.catch(again) : done;
  } catch (error) {
    return again(error);
  }
}

function writeOnce(
  state: TreeState,
  file: FileHandle,
  offset: number,
  from: Uint8Array,
  who: Credentials,
): Settled<Written> {
  const { inode: number } = handleIn(file);
  const end = offset + from.length;
  const write = (): Settled<Written> =>
    andThen(writable(state, file, end, who), (inode) =>
      from.length === 0
        ? { number, change: unchanged(inode) }
        : andThen(claimRoom(state, inode, offset, from.length), () =>
            // Others may have written to it meanwhile.
            asItIs(state, file, (now) => writeTo(state, file, now, offset, from, who)),
          ),
    );
  // Nearly always.
  if (!state.wasCut && state.frayed.size === 0) return state.gates.enter(number, write);
  return andThen(writable(state, file, end, who), (inode) =>
    isFrayed(state, inode) && offset > inode.sizeBytes
      ? state.gates.alone(number, () => andThen(trimGap(state, file, offset), write))
      : state.gates.enter(number, write),
  );
}

/** The file, where it can be written to, up to some byte. */
function writable(state: TreeState, file: FileHandle, end: number, who: Credentials): Settled<Inode> {
  return andThen(inodeOf(state, file), (inode) => {
    if (inode.type === 'directory') throw new AshlarError('is-directory', 'a directory is not written to');
    if (inode.type !== 'regular') throw new AshlarError('invalid', 'only regular files are written to');
    checkWrite(inode, who);
    if (end > mostFileBytes) throw new AshlarError('too-big', `a file has at most ${mostFileBytes} bytes`);
    return inode;
  });
}

/** Does something with a file as it is in that moment: between a look at it and what is made of that nobody else may come. */
function asItIs<T>(state: TreeState, file: FileHandle, use: (inode: Inode) => Settled<T>): Settled<T> {
  const inode = inodeOf(state, file);
  return isPromise(inode) ? inode.then(() => asItIs(state, file, use)) : use(inode);
}

/** In a tree that is full what has room already may be written over. */
function claimRoom({ bytes, room }: TreeState, { regions }: Inode, offset: number, length: number): Settled<void> {
  const full = (error: unknown): Settled<void> => {
    if (errorKindOf(error) !== 'no-space') throw error;
    return andThen(bytes.haveRoom(regions, offset, length), (isThere) => {
      if (!isThere) throw error;
    });
  };
  try {
    const claimed = room.claim(length);
    return isPromise(claimed) ? claimed.catch(full) : claimed;
  } catch (error) {
    return full(error);
  }
}

/** Behind the end of a file may lie what its size was never made to have. */
const isFrayed = ({ firstFresh, frayed, wasCut }: TreeState, { number }: Inode): boolean =>
  (wasCut && number < firstFresh) || frayed.has(number);

const trimGap = (state: TreeState, file: FileHandle, offset: number): Settled<void> =>
  andThen(inodeOf(state, file), ({ regions, sizeBytes }) =>
    offset > sizeBytes ? state.bytes.trim(regions, sizeBytes, offset - sizeBytes) : undefined,
  );

function writeTo(
  state: TreeState,
  file: FileHandle,
  inode: Inode,
  offset: number,
  from: Uint8Array,
  who: Credentials,
): Settled<Written> {
  const end = offset + from.length;
  const { suspects, inode: placed } = withRegions(state, inode, offset, end);
  const failed = (error: unknown): never => {
    state.frayed.add(inode.number);
    throw error;
  };
  const done = (): Settled<Written> =>
    andThen(
      asItIs(state, file, (now) => grown(state, now, offset, end, who)),
      (result) => (state.placed.bytes < mostBatchBytes ? result : andThen(recordPlaced(state), () => result)),
    );
  try {
    const written = together([...suspects, () => state.bytes.write(placed.regions, offset, from)]);
    return isPromise(written) ? written.then(done, failed) : done();
  } catch (error) {
    return failed(error);
  }
}

const unchanged = (inode: Inode): FileChange => ({ before: stateOf(inode), after: attributesOf(inode) });

/** `suspects`: trims what may lie in regions that were given again. */
type Placed = { readonly inode: Inode; readonly suspects: readonly (() => Settled<void>)[] };

/** The file with a region for each byte of a range: at once, so that others that write to it find them. */
function withRegions(state: TreeState, inode: Inode, offset: number, end: number): Placed {
  const last = regionAt(end - 1).index;
  const before = state.takenFree.length;
  let regions: number[] | undefined;
  const tables = new Set(inode.changedTables);
  const suspects: (() => Settled<void>)[] = [];
  for (let { index } = regionAt(offset); index <= last; index += 1) {
    if ((inode.regions[index] ?? -1) >= 0) continue;
    regions ??= [...inode.regions];
    while (regions.length < index) regions.push(-1);
    const { regionClass } = regionOf(index);
    const { base, isSuspect, wasFree } = state.regions.take(regionClass);
    if (wasFree) state.takenFree.push({ key: freeRegionKey(regionClass, base), value: null });
    if (isSuspect) suspects.push(() => state.store.trim(state.object, base, regionBytes(regionClass), false));
    regions[index] = base;
    const table = tableOf(index);
    if (table !== undefined) tables.add(table);
  }
  if (regions === undefined) return { inode, suspects };
  const taken = state.takenFree.length - before;
  const placed = { ...inode, regions, changedTables: [...tables] };
  state.placed.add(placed, taken);
  state.inodes.change(placed);
  return { inode: placed, suspects };
}

function grown(state: TreeState, inode: Inode, offset: number, end: number, who: Credentials): Written {
  const sizeBytes = Math.max(inode.sizeBytes, end);
  const now = state.clock.now(inode.changed);
  const after: Inode = {
    ...inode,
    sizeBytes,
    usedBytes: usedAfter(inode, offset, end),
    mode: modeAfterWrite(inode.mode, who),
    modified: now,
    changed: now,
  };
  state.inodes.change(after);
  return { number: inode.number, change: { before: stateOf(inode), after: attributesOf(after) } };
}

/** Room of a file without holes is known by its size; that of others is told as if what is written took new room. */
function usedAfter({ sizeBytes, usedBytes }: Inode, offset: number, end: number): number {
  const most = roomFor(Math.max(sizeBytes, end));
  const isDense = usedBytes === roomFor(sizeBytes);
  if (isDense && offset <= sizeBytes) return most;
  const blocks = roomFor(end) - Math.floor(offset / blockBytes) * blockBytes;
  return Math.min(most, usedBytes + blocks);
}

/** What has regions that are not on record goes there: of a few at a time, as one commit takes all of them. */
function recordPlaced(state: TreeState): Settled<void> {
  if (state.placed.bytes === 0) return;
  const batch = new Batch();
  batch.hasGiven = true;
  batch.givesBack = true;
  return commitBatch(state, batch);
}

/** What inodes say is on record, of one file or of all, and survives a loss of power as soon as the store does. */
export function recordInodes(state: TreeState, number?: number): Settled<void> {
  const batches: (() => Settled<void>)[] = [];
  const dirty = number === undefined ? state.inodes.dirty() : state.inodes.dirtyOf(number);
  if (dirty.some((inode) => state.placed.has(inode.number))) batches.push(() => recordPlaced(state));
  const others = dirty.filter((inode) => !state.placed.has(inode.number));
  for (const lot of lotsOf(others, recordBytesOf)) {
    const batch = new Batch();
    batch.givesBack = true;
    for (const inode of lot) batch.put(inode);
    batches.push(() => commitBatch(state, batch));
  }
  return together(batches);
}
