import { blockSize } from '../checksum.ts';

/**
 * Points to an immutable page of one block. The checksum of a page is in its parent, so a page that is whole but
 * belongs elsewhere is found out as well. `birth` is the number of the checkpoint that wrote it.
 */
export type PageRef = { readonly page: number; readonly birth: number; readonly checksum: number };

/** Bytes of one reference in an interior page, and how many there are. */
const refSize = 32;
export const refsEach = blockSize / refSize;

/** Layout: page + 1 as float64 (0: nothing there), birth float64, checksum u32, 12 reserved. */
export function readRef(view: DataView, index: number): PageRef | undefined {
  const at = index * refSize;
  const page = view.getFloat64(at, true);
  if (page === 0) return undefined;
  return { page: page - 1, birth: view.getFloat64(at + 8, true), checksum: view.getUint32(at + 16, true) };
}

export function writeRef(view: DataView, index: number, ref: PageRef | undefined): void {
  const at = index * refSize;
  view.setFloat64(at, ref === undefined ? 0 : ref.page + 1, true);
  view.setFloat64(at + 8, ref?.birth ?? 0, true);
  view.setUint32(at + 16, ref?.checksum ?? 0, true);
}
