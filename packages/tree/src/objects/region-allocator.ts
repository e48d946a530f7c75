import { alignUp, AshlarError, assert, maxOffset, MiB } from '@ashlar/core';
import { regionBytes } from './regions.ts';
import type { Lot } from './superblock.ts';

/** Smaller regions lie in lots of as many of one class: large ones between them leave no gaps. */
const lotBytes = 4 * MiB;
const lotClasses = Array.from({ length: 64 }, (_, at) => at).findIndex((at) => 4096 * 2 ** at >= lotBytes);

export const noLots: readonly Lot[] = Array.from({ length: lotClasses }, () => ({ next: 0, end: 0 }));

/** `wasFree`: it was another file's before, and on record as free. `isSuspect`: something may be there, which is to be trimmed before anything is written. */
export type TakenRegion = { readonly base: number; readonly wasFree: boolean; readonly isSuspect: boolean };

/** Gives regions of the tree's object, each at a multiple of its size: those that were given up first. */
export class RegionAllocator {
  #end: number;
  readonly #lots: { next: number; end: number }[];
  /** Regions that were given up, by their class; each reads as zeros, but for suspects. */
  readonly #free: number[][] = [];
  /** Those that may have been given again to what is not on record, by where they begin, with their class. */
  readonly #suspects = new Map<number, number>();

  constructor(end: number, lots: readonly Lot[]) {
    this.#end = end;
    this.#lots = noLots.map((none, at) => ({ ...(lots[at] ?? none) }));
  }

  get end(): number {
    return this.#end;
  }

  get lots(): readonly Lot[] {
    return this.#lots.map((lot) => ({ ...lot }));
  }

  take(regionClass: number): TakenRegion {
    const free = this.#free[regionClass]?.pop();
    if (free !== undefined) return { base: free, wasFree: true, isSuspect: this.#suspects.delete(free) };
    const lot = this.#lots[regionClass];
    const size = regionBytes(regionClass);
    if (lot === undefined) return { base: this.#fresh(size), wasFree: false, isSuspect: false };
    if (lot.next === lot.end) {
      lot.next = this.#fresh(lotBytes);
      lot.end = lot.next + lotBytes;
    }
    const base = lot.next;
    lot.next += size;
    return { base, wasFree: false, isSuspect: false };
  }

  /** It reads as zeros, and nobody has it. */
  give(regionClass: number, base: number): void {
    assert(base % regionBytes(regionClass) === 0, 'a region begins at a multiple of its size');
    (this.#free[regionClass] ??= []).push(base);
  }

  /** The same of one that something may have been written to. */
  giveSuspect(regionClass: number, base: number): void {
    this.give(regionClass, base);
    this.#suspects.set(base, regionClass);
  }

  /** One of them, as long as there are any. */
  suspect(): { readonly regionClass: number; readonly base: number } | undefined {
    const [first] = this.#suspects;
    return first === undefined ? undefined : { base: first[0], regionClass: first[1] };
  }

  /** It reads as zeros. */
  cleared(base: number): void {
    this.#suspects.delete(base);
  }

  #fresh(size: number): number {
    const base = alignUp(this.#end, size);
    if (base + size > maxOffset) throw new AshlarError('no-space', 'the file tree has no bytes left to give');
    this.#end = base + size;
    return base;
  }
}
