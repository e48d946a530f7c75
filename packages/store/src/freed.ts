import type { BlockRun } from './host-room.ts';

/** What a checkpoint frees; given back behind its commit (rule 1e). */
export type Freed = {
  readonly slots: number[];
  /** Of these the contents went elsewhere: the next writes will want as much room again. */
  readonly moved: number[];
  readonly blocks: { readonly slot: number; readonly block: number }[];
  /** Slots that the checkpoint itself took: they go back if it fails. */
  readonly taken: number[];
  /** Room that the host must keep before the commit. */
  readonly reserved: BlockRun[];
};
