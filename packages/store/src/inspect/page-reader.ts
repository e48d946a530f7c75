import { AshlarError, andThen, isPromise, type Settled } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { LRUCache } from 'lru-cache';
import { blockSize, checksumOf } from '../checksum.ts';
import { readRef, refsEach, type PageRef } from '../format/page-ref.ts';
import { pageOf, type Page } from '../page-file.ts';
import type { TreeRoot } from '../page-tree.ts';
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

/** Who is told what a walk over a tree meets. */
export type TreeVisitor = {
  /** A reference; false where what is below it is not to be walked. */
  readonly met: (ref: PageRef) => boolean;
  readonly leaf: (index: number, page: Page) => Settled<void>;
  /** A page that cannot be used: leaves `first` to before `end` are unknown. */
  readonly damaged: (ref: PageRef, first: number, end: number) => void;
};

/** Walks a whole tree in the order of its leaves. In memory are the pages of one path and their neighbours. */
export async function walkTree(pages: PageReader, { ref, levels }: TreeRoot, visitor: TreeVisitor): Promise<void> {
  if (ref !== undefined) await walk(pages, [{ ref, first: 0 }], levels, visitor);
}

type Place = { readonly ref: PageRef; readonly first: number };

async function walk(pages: PageReader, places: readonly Place[], level: number, visitor: TreeVisitor): Promise<void> {
  const met = places.filter(({ ref }) => visitor.met(ref));
  const read = await Promise.all(met.map(({ ref }) => pages.read(ref)));
  for (const [at, { ref, first }] of met.entries()) {
    const page = read[at];
    if (page === undefined) visitor.damaged(ref, first, first + refsEach ** level);
    else if (level === 0) {
      const seen = visitor.leaf(first, page);
      if (isPromise(seen)) await seen;
    } else await walk(pages, placesIn(page, first, refsEach ** (level - 1)), level - 1, visitor);
  }
}

function placesIn(page: Page, first: number, span: number): Place[] {
  const places: Place[] = [];
  for (let index = 0; index < refsEach; index += 1) {
    const ref = readRef(page.view, index);
    if (ref !== undefined) places.push({ ref, first: first + index * span });
  }
  return places;
}
