import type { ObjectState, PoolParts, StoreState } from './state.ts';

/** What an operation changes. */
export type Target = { readonly pool: PoolParts; readonly store: StoreState; readonly object: ObjectState };

/** What is about to change belongs to the store's generation: a snapshot that ended the one before keeps what there was. */
export function beginChange({ pool, store, object }: Target): void {
  if (pool.broken === 'generation-not-sealed') return;
  object.overlay.toGeneration(store.generation, object.journaledSize);
}
