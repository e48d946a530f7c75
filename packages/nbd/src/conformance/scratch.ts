import { sizeAtLeast } from './needs.ts';

/**
 * Where checks that write do so: far enough from the start to have neighbours, and a multiple of every block size that
 * the document allows. Checks that need more room say so.
 */
export const scratchOffset = 2 ** 21;

/** The room there is at `scratchOffset` wherever `hasScratch` holds. */
export const scratchLength = 2 ** 21;

export const hasScratch = sizeAtLeast(scratchOffset + scratchLength);
