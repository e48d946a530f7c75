import type { JournalPosition } from './journal.ts';
import type { ObjectState, PoolParts, SnapshotState, StoreState } from './state.ts';

/** What the running checkpoint took: the state of everything at one point of the sequence. */
export type Taken = {
  readonly position: JournalPosition;
  readonly objects: readonly { readonly object: ObjectState; readonly sizeBytes: number }[];
  readonly stores: readonly {
    readonly store: StoreState;
    readonly sequence: number;
    readonly generation: number;
    readonly snapshots: readonly SnapshotState[];
    readonly deleted: readonly ObjectState[];
    /** It copies some of what is its origin's: then it has no snapshots. */
    readonly flattens: boolean;
  }[];
};

/** Freezes everything, in one turn. What was recorded must be appended. */
export function takeAll(pool: PoolParts, position: JournalPosition): Taken {
  const objects: { object: ObjectState; sizeBytes: number }[] = [];
  const stores: Taken['stores'][number][] = [];
  for (const store of pool.stores.values()) {
    // One that was deleted before it ever came home was never there.
    store.snapshots = store.snapshots.filter(({ isDropped, birth }) => !isDropped || birth !== undefined);
    if (!store.changed && !store.snapshots.some(({ isDropped }) => isDropped)) continue;
    store.changed = false;
    const { sequence, generation, snapshots, flattening } = store;
    const flattens = flattening?.isWanted === true && snapshots.length === 0;
    stores.push({ store, sequence, generation, snapshots: [...snapshots], deleted: [...store.deleted], flattens });
    for (const object of store.deleted) freeze(object);
    store.deleted.clear();
    store.records.freeze();
    for (const object of store.objects.values()) {
      freeze(object);
      objects.push({ object, sizeBytes: object.journaledSize });
    }
  }
  return { position, objects, stores };
}

function freeze({ overlay, journaledSize, committedSize }: ObjectState): void {
  overlay.freeze(journaledSize, committedSize);
}

/** All objects that were frozen, those that are deleted as well. */
export function objectsOf(taken: Taken): ObjectState[] {
  const deleted = taken.stores.flatMap((store) => store.deleted);
  return [...taken.objects.map(({ object }) => object), ...deleted];
}

/** All objects that are there. */
export function* allObjects({ stores }: PoolParts): Generator<ObjectState> {
  for (const { objects } of stores.values()) yield* objects.values();
}
