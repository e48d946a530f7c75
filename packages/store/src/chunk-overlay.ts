/** A fresh slot that a large write went to: where, the blocks' checksums, and which of its blocks were ever written. */
export type SlotRef = { readonly slot: number; readonly checksums: Uint32Array; readonly written: Uint8Array };

/** The journaled state of one chunk: a code a block. */
export type ChunkOverlay = { readonly codes: Int32Array; readonly slots: SlotRef[] };
