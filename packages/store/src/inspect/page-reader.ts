import { AshlarError, andThen, isPromise, type Settled } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { LRUCache } from 'lru-cache';
import { blockSize, checksumOf } from '../checksum.ts';
import { readRef, refsEach, type PageRef } from '../format/page-ref.ts';
import { pageOf, type Page } from '../page-file.ts';
import { emptyTree, type TreeRoot } from '../page-tree.ts';
import type { Scratch } from '../scratch.ts';
import { openToRead } from './open-to-read.ts';

/** Pages that are remembered: all that lead to a leaf, and the leaves that were looked at last. */
const cachedPages = 1024;

/** The pool's file of pages, to look at: makes and changes nothing. */
export class PageReader {
  /** Pages that the file has a place for. */
  readonly end: number;
  readonly #scratch: Scratch;
  readonly #file: HostFile | undefined;
  readonly #cache = new LRUCache<number, Page>({ max: cachedPages });

  constructor(host: Host, path: string, scratch: Scratch) {
    this.#scratch = scratch;
    this.#file = host.stat(path) === undefined ? undefined : openToRead(host, path);
    this.end = this.#file === undefined ? 0 : Math.floor(this.#file.size() / blockSize);
  }

  /** The page, or nothing where it is missing, cannot be read or is not the one that is referred to. */
  async read(ref: PageRef): Promise<Page | undefined> {
    const file = this.#file;
    if (file === undefined || ref.page >= this.end) return undefined;
    const there = this.#cache.get(ref.page);
    if (there !== undefined) return checksumOf(there.bytes) === ref.checksum ? there : undefined;
    const read = (memory: Uint8Array): Settled<Page | undefined> =>
      andThen(file.read(ref.page * blockSize, memory), (count) =>
        count < blockSize || checksumOf(memory) !== ref.checksum ? undefined : pageOf(memory.slice()),
      );
    try {
      const page = await this.#scratch.use(blockSize, read);
      if (page !== undefined) this.#cache.set(ref.page, page);
      return page;
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
      return undefined;
    }
  }

  /** One leaf of a tree: nothing where all of it is zero, `damaged` where a page on the way to it is. */
  async leaf({ ref, levels }: TreeRoot, index: number): Promise<Page | 'damaged' | undefined> {
    if (ref === undefined || index >= refsEach ** levels) return undefined;
    let node = ref;
    for (let level = levels; ; level -= 1) {
      const page = await this.read(node);
      if (page === undefined) return 'damaged';
      if (level === 0) return page;
      const below = readRef(page.view, Math.floor(index / refsEach ** (level - 1)) % refsEach);
      if (below === undefined) return undefined;
      node = below;
    }
  }

  close(): void {
    this.#file?.close();
  }
}

/** What stands behind a walked tree at a place: pages that both have are the same ones. `unknown` where a page of it is damaged. */
export type Beside = TreeRoot | 'unknown';

/** Who is told what a walk over a tree meets. */
export type TreeVisitor = {
  /**
   * A reference, the first of its leaves and the first behind them, and whether it is known that the other tree has not the same page there;
   * false where what is below it is not to be walked.
   */
  readonly met: (ref: PageRef, first: number, end: number, isOwn: boolean) => boolean;
  /** `beside`: the leaf of the other tree in the same place, nothing where that has none. */
  readonly leaf: (index: number, page: Page, beside: Page | 'unknown' | undefined) => Settled<void>;
  /** A page that cannot be used: leaves `first` to before `end` are unknown. `isOwn`: as it was met. */
  readonly damaged: (ref: PageRef, first: number, end: number, isOwn: boolean) => void;
  /** A leaf that only the other tree has. */
  readonly gone?: (beside: Page | 'unknown') => void;
};

/**
 * Walks a tree in the order of its leaves, without the pages that another one has in the same places. In memory are the pages of one path
 * and their neighbours.
 */
export async function walkTree(
  pages: PageReader,
  { ref, levels }: TreeRoot,
  visitor: TreeVisitor,
  beside: Beside = emptyTree,
): Promise<void> {
  if (ref === undefined) return await tellGone(pages, beside, visitor);
  const other = await lowered(pages, beside, levels, visitor);
  if (!isSame(ref, other)) await walk(pages, [{ ref, first: 0, beside: other }], levels, visitor);
}

type Place = { readonly ref: PageRef; readonly first: number; readonly beside: Beside };

const isSame = (ref: PageRef, beside: Beside): boolean =>
  beside !== 'unknown' && beside.ref?.page === ref.page && beside.ref.birth === ref.birth;

/** The part of a tree over the first leaves, as many as a tree of that many levels has; all of one that has fewer levels. */
async function lowered(pages: PageReader, tree: Beside, levels: number, visitor: TreeVisitor): Promise<Beside> {
  if (tree === 'unknown' || tree.ref === undefined || tree.levels <= levels) return tree;
  const page = await pages.read(tree.ref);
  if (page === undefined) return 'unknown';
  for (let index = 1; index < refsEach; index += 1) {
    await tellGone(pages, { ref: readRef(page.view, index), levels: tree.levels - 1 }, visitor);
  }
  return await lowered(pages, { ref: readRef(page.view, 0), levels: tree.levels - 1 }, levels, visitor);
}

/** Tells every leaf of a tree as one that is not there any more. */
async function tellGone(pages: PageReader, tree: Beside, visitor: TreeVisitor): Promise<void> {
  const { gone } = visitor;
  if (gone === undefined) return;
  if (tree === 'unknown') return gone(tree);
  const tell = { met: () => true, leaf: (_: number, page: Page) => gone(page), damaged: () => gone('unknown') };
  await walkTree(pages, tree, tell);
}

async function walk(pages: PageReader, places: readonly Place[], level: number, visitor: TreeVisitor): Promise<void> {
  const span = refsEach ** level;
  const met = places.filter(({ ref, first, beside }) => visitor.met(ref, first, first + span, beside !== 'unknown'));
  const read = await Promise.all(met.map(({ ref }) => pages.read(ref)));
  const others = await Promise.all(met.map(({ beside }) => pageBeside(pages, beside, level)));
  for (const [at, { ref, first, beside }] of met.entries()) {
    const page = read[at];
    if (page === undefined) visitor.damaged(ref, first, first + span, beside !== 'unknown');
    else if (level === 0) {
      const seen = visitor.leaf(first, page, others[at]);
      if (isPromise(seen)) await seen;
    } else {
      await walk(pages, placesIn(page, first, level - 1, beside, others[at]), level - 1, visitor);
      for (const tree of onlyIn(beside, others[at], page, level - 1)) await tellGone(pages, tree, visitor);
    }
  }
}

/** The other tree's page in a place; nothing where it has none, or has fewer levels. */
async function pageBeside(pages: PageReader, beside: Beside, level: number): Promise<Page | 'unknown' | undefined> {
  if (beside === 'unknown') return beside;
  if (beside.ref === undefined || beside.levels < level) return undefined;
  return (await pages.read(beside.ref)) ?? 'unknown';
}

function placesIn(
  page: Page,
  first: number,
  level: number,
  beside: Beside,
  other: Page | 'unknown' | undefined,
): Place[] {
  const places: Place[] = [];
  for (let index = 0; index < refsEach; index += 1) {
    const ref = readRef(page.view, index);
    if (ref === undefined) continue;
    const below = besideBelow(index, level, beside, other);
    if (!isSame(ref, below)) places.push({ ref, first: first + index * refsEach ** level, beside: below });
  }
  return places;
}

function besideBelow(index: number, level: number, beside: Beside, other: Page | 'unknown' | undefined): Beside {
  if (beside === 'unknown' || other === 'unknown') return 'unknown';
  if (other !== undefined) return { ref: readRef(other.view, index), levels: level };
  return index === 0 && beside.levels <= level ? beside : emptyTree;
}

/** What the other tree has below a place where the walked one has nothing. */
function onlyIn(beside: Beside, other: Page | 'unknown' | undefined, page: Page, levels: number): Beside[] {
  const found: Beside[] = [];
  for (let index = 0; index < refsEach; index += 1) {
    if (readRef(page.view, index) !== undefined) continue;
    const below = besideBelow(index, levels, beside, other);
    if (below !== 'unknown' && below.ref !== undefined) found.push(below);
  }
  return found;
}
