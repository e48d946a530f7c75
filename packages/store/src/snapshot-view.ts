import {
  AshlarError,
  type Change,
  type ObjectId,
  type Settled,
  type SnapshotId,
  type SnapshotView,
  type Space,
} from '@ashlar/core';
import type { ChunkOverlay } from './chunk-overlay.ts';
import { exclusiveBlocks } from './exclusive.ts';
import { firstKept, keptAt } from './kept.ts';
import { changesOf, type States } from './changed.ts';
import { LocalReader } from './local-reader.ts';
import { OverlayAt } from './overlay.ts';
import { PageTree } from './page-tree.ts';
import { readObject } from './read.ts';
import type { ObjectState, PoolParts, Readable, SnapshotState, StoreState } from './state.ts';
import { snapshotOf, snapshotsHome } from './snapshots.ts';
import { spaceFrom } from './space.ts';
import { checkRange } from './write.ts';

/**
 * An object as a snapshot has it. Until a checkpoint has brought the snapshot's generation home that is the live object's map under
 * the layers of older generations; from then on a map that nobody changes.
 */
class ObjectAt implements Readable {
  readonly store;
  readonly overlay;
  readonly #pool: PoolParts;
  readonly #state: StoreState;
  readonly #snapshot: SnapshotState;
  readonly #live: ObjectState;
  #home: { readonly tree: PageTree; readonly sizeBytes: number } | undefined;

  constructor(pool: PoolParts, state: StoreState, snapshot: SnapshotState, live: ObjectState) {
    this.#pool = pool;
    this.#state = state;
    this.#snapshot = snapshot;
    this.#live = live;
    this.store = state.id;
    this.overlay = new OverlayAt(live.overlay, snapshot.id);
  }

  get tree(): Pick<PageTree, 'root' | 'leaf' | 'nextLeaf'> {
    return this.#found()?.tree ?? this.#live.tree;
  }

  get sizeBytes(): number {
    const { overlay, journaledSize } = this.#live;
    return this.#found()?.sizeBytes ?? overlay.sizeAt(this.#snapshot.id) ?? journaledSize;
  }

  /** That data and kept room take, and what they would take uncompressed. */
  get blocks(): { readonly taken: number; readonly held: number } {
    const kept = firstKept(this.#pool, this.store, this.#live.id, this.#snapshot.id);
    if (kept !== undefined) return { taken: kept.record.blocks, held: kept.record.blocks + (kept.record.saved ?? 0) };
    const { committedBlocks, committedSaved } = this.#live;
    return { taken: committedBlocks, held: committedBlocks + committedSaved };
  }

  #found(): { readonly tree: PageTree; readonly sizeBytes: number } | undefined {
    if (this.#home !== undefined || this.#snapshot.birth === undefined) return this.#home;
    const { root, sizeBytes } = keptAt(this.#pool, this.#state, this.#live, this.#snapshot.id);
    this.#home = { tree: new PageTree(this.#pool.pages, root), sizeBytes };
    return this.#home;
  }
}

/** Throws `not-found` where the snapshot is older than the object. */
function objectAt(pool: PoolParts, store: StoreState, snapshot: SnapshotState, object: ObjectId): ObjectAt {
  const live = store.objects.get(object);
  if (live !== undefined && live.created <= snapshot.id) return new ObjectAt(pool, store, snapshot, live);
  throw new AshlarError('not-found', `there is no object ${object} in the snapshot ${snapshot.id}`);
}

/** An object as the snapshot `since` has it, and `after`: its state at the end of the generation `last`. */
export function statesOf(
  pool: PoolParts,
  store: StoreState,
  object: ObjectId,
  since: SnapshotId,
  after: Readable,
  last: number,
): States {
  const before = objectAt(pool, store, snapshotOf(store, since), object);
  const { overlay } = store.objects.get(object)!;
  const journaledIn = (chunk: number): ChunkOverlay['codes'][] => {
    const found: ChunkOverlay['codes'][] = [];
    for (const layer of overlay.layersBetween(since, last)) {
      const codes = layer.get(chunk)?.codes;
      if (codes !== undefined) found.push(codes);
    }
    return found;
  };
  const journaled = (): Float64Array => {
    const chunks = new Set<number>();
    for (const layer of overlay.layersBetween(since, last)) for (const chunk of layer.keys()) chunks.add(chunk);
    return Float64Array.from(chunks).sort();
  };
  return { before, after, journaledIn, journaled };
}

/** What an open snapshot of a local store is read through. */
export class LocalSnapshotView extends LocalReader<ObjectAt> implements SnapshotView {
  readonly #snapshot: SnapshotState;
  readonly #objects = new Map<ObjectId, ObjectAt>();
  #closed = false;

  constructor(pool: PoolParts, store: StoreState, snapshot: SnapshotState) {
    super(pool, store);
    this.#snapshot = snapshot;
    snapshot.openers += 1;
  }

  get id(): SnapshotId {
    return this.#snapshot.id;
  }

  read(object: ObjectId, offset: number, into: Uint8Array): Settled<void> {
    const found = this.find(object);
    checkRange(found, 'read', offset, into.length);
    return into.length === 0 ? undefined : readObject(this.pool, found, offset, into);
  }

  async spaceOf(object: ObjectId): Promise<Space> {
    const found = this.find(object);
    await snapshotsHome(this.pool, this.store);
    const { snapshots, floor, objects } = this.store;
    const there = snapshots.filter(({ isDropped }) => !isDropped);
    const index = there.indexOf(this.#snapshot);
    const after = there[index + 1];
    const live = objects.get(object);
    const next = after === undefined || live === undefined ? live : new ObjectAt(this.pool, this.store, after, live);
    const own = { object: found, floor: there[index - 1]?.birth ?? floor, next };
    const { taken, held } = found.blocks;
    return spaceFrom(found.sizeBytes, taken, await exclusiveBlocks(this.pool, own), held);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#snapshot.openers -= 1;
  }

  changesSince(
    object: ObjectId,
    since: SnapshotId,
    offset: number,
    length: number,
    limit: number,
  ): Settled<readonly Change[]> {
    const after = this.find(object);
    checkRange(after, 'changesSince', offset, length);
    if (since > this.id) throw new AshlarError('invalid', `the snapshot ${since} is newer than ${this.id}`);
    if (length === 0) return [];
    const states = statesOf(this.pool, this.store, object, since, after, this.id);
    return changesOf(this.pool, states, offset, length, limit);
  }

  protected find(object: ObjectId): ObjectAt {
    if (this.#closed) throw new AshlarError('closed', 'the snapshot is closed');
    const known = this.#objects.get(object);
    if (known !== undefined) return known;
    const found = objectAt(this.pool, this.store, this.#snapshot, object);
    this.#objects.set(object, found);
    return found;
  }
}
