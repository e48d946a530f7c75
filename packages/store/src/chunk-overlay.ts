/** What a fresh slot has of a block: nothing, bytes that are on their way or never got there, or bytes, and with them the host's room. */
export const slotBlock = { untouched: 0, begun: 1, landed: 2 } as const;

/** A fresh slot that a large write went to: where, the blocks' checksums, and by block one of `slotBlock`. */
export type SlotRef = { readonly slot: number; readonly checksums: Uint32Array; readonly blocks: Uint8Array };

/** The journaled state of one chunk: a code a block. */
export type ChunkOverlay = { readonly codes: Int32Array; readonly slots: SlotRef[] };
