import { assert, GiB, KiB } from '@ashlar/core';

/**
 * Where the bytes of a file lie in the one object of a tree. Its first region has 4 KiB, each next one doubles what there is, and from 1 GiB on each has that: a file
 * takes no more than twice its size of the object's bytes, which cost nothing where nothing was written, and any byte of it is found by arithmetic.
 */
export const leastRegionBytes = 4 * KiB;
/** Of the object of a tree: as many as offsets are exact for. */
export const mostTreeBytes = 2 ** 53 - leastRegionBytes;
export const mostRegionBytes = GiB;

/** Sizes of regions, by their class. */
const leastBits = Math.log2(leastRegionBytes);
const mostBits = Math.log2(mostRegionBytes);
export const regionClasses = mostBits - leastBits + 1;

export const regionBytes = (regionClass: number): number => {
  assert(regionClass >= 0 && regionClass < regionClasses, 'a region is of a class');
  return leastRegionBytes * 2 ** regionClass;
};

/** Regions that are each as large as all before them together. */
const doubling = regionClasses;

/** A region of a file: the how manyth it is, which bytes of the file it has, and its class. */
export type Region = { readonly index: number; readonly offset: number; readonly regionClass: number };

/** The region that has a byte of a file. */
export function regionAt(offset: number): Region {
  assert(Number.isSafeInteger(offset) && offset >= 0, 'a byte of a file has a place in it');
  if (offset < leastRegionBytes) return { index: 0, offset: 0, regionClass: 0 };
  if (offset >= mostRegionBytes) {
    const index = Math.floor(offset / mostRegionBytes);
    return { index: doubling - 1 + index, offset: index * mostRegionBytes, regionClass: regionClasses - 1 };
  }
  // Below 2^30: exact as an integer of 32 bits.
  const bits = 31 - Math.clz32(offset);
  return { index: bits - leastBits + 1, offset: 2 ** bits, regionClass: bits - leastBits };
}

/** The same by its number. */
export function regionOf(index: number): Region {
  assert(index >= 0, 'regions are counted from 0');
  if (index === 0) return { index, offset: 0, regionClass: 0 };
  if (index >= doubling) {
    return { index, offset: (index - doubling + 1) * mostRegionBytes, regionClass: regionClasses - 1 };
  }
  return { index, offset: leastRegionBytes * 2 ** (index - 1), regionClass: index - 1 };
}

/** How many regions a file of a size has at the most. */
export const regionsFor = (sizeBytes: number): number => (sizeBytes === 0 ? 0 : regionAt(sizeBytes - 1).index + 1);
