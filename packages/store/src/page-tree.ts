import { andThen, assert, isPromise, type Settled } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { readRef, refsEach, writeRef, type PageRef } from './format/page-ref.ts';
import { pageOf, type Page, type PageFile } from './page-file.ts';
import { sorted } from './sorted.ts';
import { notShared, type Shared } from './shared.ts';
import type { Turns } from './turns.ts';

/** The root of a copy-on-write tree: `levels` interior pages lie above each leaf. */
export type TreeRoot = { readonly ref: PageRef | undefined; readonly levels: number };

export const emptyTree: TreeRoot = { ref: undefined, levels: 0 };

/** How many leaves there may be under a root: those behind have no page. */
export const leavesUnder = ({ levels }: TreeRoot): number => refsEach ** levels;

/** Leaves that are kept to be written over: as many as a checkpoint of random writes replaces in some 8 GiB. */
const mostSpare = 4096;

/**
 * An array of leaves, one block each, kept as a copy-on-write tree of pages. Readers see the root that the last
 * checkpoint committed; a checkpoint changes copies of leaves and writes them, and what leads to them, to fresh pages: once, or
 * once for each generation that a snapshot ended, each over the one before.
 */
export class PageTree {
  readonly #pages: PageFile;
  #root: TreeRoot;
  /** What the running checkpoint wrote last; the same as `#root` before. */
  #work: TreeRoot;
  /** Leaves of the checkpoint that runs. */
  readonly #changed = new Map<number, Page>();
  /** What `current` was asked for last: neighbours are asked for one behind the other, and lie in one leaf. */
  #asked = -1;
  #answer: Page | undefined;
  readonly #isFleeting: boolean;
  /** Leaves of which the running checkpoint has copies: nobody has them any more when it is committed. */
  readonly #replaced: Page[] = [];
  /** For the copies to come: new memory for each is the most that a collector has to do under small writes. */
  readonly #spare: Page[] = [];

  /** `isFleeting`: whoever is given a leaf looks at it in the same turn of the thread and never again, so that its memory can be used anew. */
  constructor(pages: PageFile, root: TreeRoot, isFleeting = false) {
    this.#pages = pages;
    this.#root = root;
    this.#work = root;
    this.#isFleeting = isFleeting;
  }

  get root(): TreeRoot {
    return this.#root;
  }

  /** The committed leaf, or nothing where all is zero. */
  leaf(index: number): Settled<Page | undefined> {
    return this.#leafUnder(this.#root, index);
  }

  #leafUnder({ ref, levels }: TreeRoot, index: number): Settled<Page | undefined> {
    if (ref === undefined || index >= refsEach ** levels) return undefined;
    return this.#descend(ref, levels, index);
  }

  /**
   * What `look` finds, of one version of the map: it looks again where a checkpoint committed meanwhile. A look that was
   * answered at once saw one version.
   */
  stable<T>(look: () => Settled<T>): Settled<T> {
    const root = this.#root;
    const found = look();
    if (!isPromise(found)) return found;
    return found.then((value) => (root === this.#root ? value : this.stable(look)));
  }

  /** The first index at or above `index` whose leaf may be there, or -1: skips holes of any size quickly. */
  async nextLeaf(index: number): Promise<number> {
    let at = index;
    for (;;) {
      const { ref, levels } = this.#root;
      if (ref === undefined || at >= refsEach ** levels) return -1;
      let node: PageRef = ref;
      let level = levels;
      let skip = 0;
      while (level > 0) {
        const span = refsEach ** (level - 1);
        const page: Page = await this.#pages.read(node);
        const below = readRef(page.view, Math.floor(at / span) % refsEach);
        if (below === undefined) {
          skip = span - (at % span);
          break;
        }
        node = below;
        level -= 1;
      }
      if (skip === 0) return at;
      at += skip;
    }
  }

  /** The leaf as the running checkpoint has it so far, to look at. */
  current(index: number): Settled<Page | undefined> {
    if (index === this.#asked) return this.#answer;
    const leaf = this.#changed.get(index) ?? this.#leafUnder(this.#work, index);
    if (isPromise(leaf)) return leaf;
    this.#asked = index;
    this.#answer = leaf;
    return leaf;
  }

  /** A copy of the leaf that the running checkpoint may change. */
  change(index: number): Settled<Page> {
    const changed = this.#changed.get(index);
    if (changed !== undefined) return changed;
    const leaf = this.#leafUnder(this.#work, index);
    return isPromise(leaf) ? leaf.then((there) => this.#copy(index, there)) : this.#copy(index, leaf);
  }

  /** Somebody who asked for the same leaf meanwhile has changed it already, perhaps. */
  #copy(index: number, leaf: Page | undefined): Page {
    const changed = this.#changed.get(index);
    if (changed !== undefined) return changed;
    const copy = this.#spare.pop() ?? pageOf(new Uint8Array(blockSize));
    copy.bytes.set(leaf?.bytes ?? zeroPage);
    if (this.#isFleeting && leaf !== undefined) this.#replaced.push(leaf);
    this.#changed.set(index, copy);
    this.#asked = -1;
    return copy;
  }

  /**
   * Writes all changed leaves and gives the root for the commit; `adopt` the last one when the commit is durable. Pages that the
   * new root does not refer to are freed in the page file, but for those of snapshots.
   */
  async write(birth: number, turns: Turns, shared = notShared): Promise<TreeRoot> {
    if (this.#changed.size === 0) return this.#work;
    const indexes = await sorted(this.#changed.keys(), this.#changed.size, turns);
    const last = indexes.at(-1);
    assert(last !== undefined, 'what changed has an index');
    let { ref, levels } = this.#work;
    while (last >= refsEach ** levels) {
      if (ref !== undefined) ref = await this.#pages.write(interiorPage(ref), birth);
      levels += 1;
    }
    ref = await this.#rewrite(ref, levels, indexes, { birth, turns, shared });
    this.#work = ref === undefined ? emptyTree : { ref, levels };
    this.#changed.clear();
    this.#asked = -1;
    this.#answer = undefined;
    return this.#work;
  }

  adopt(root: TreeRoot): void {
    assert(root === this.#work, 'the root is the one that was written last');
    this.#root = root;
    this.#spare.push(...this.#replaced.slice(0, mostSpare - this.#spare.length));
    this.#forget();
  }

  /** Forgets what a failed checkpoint changed. */
  abandon(): void {
    this.#work = this.#root;
    this.#forget();
  }

  /** Lets go of the memory that is kept for the next checkpoint. */
  giveBack(): void {
    this.#spare.length = 0;
  }

  #forget(): void {
    this.#changed.clear();
    this.#replaced.length = 0;
    this.#asked = -1;
    this.#answer = undefined;
  }

  #descend(ref: PageRef, levels: number, index: number): Settled<Page | undefined> {
    let node = ref;
    for (let level = levels; level > 0; level -= 1) {
      const page = this.#pages.read(node);
      if (page instanceof Promise) {
        const from = level;
        return page.then((there) => {
          const below = readRef(there.view, Math.floor(index / refsEach ** (from - 1)) % refsEach);
          return below === undefined ? undefined : this.#descend(below, from - 1, index);
        });
      }
      const below = readRef(page.view, Math.floor(index / refsEach ** (level - 1)) % refsEach);
      if (below === undefined) return undefined;
      node = below;
    }
    return andThen(this.#pages.read(node), (page) => page);
  }

  async #rewrite(
    old: PageRef | undefined,
    level: number,
    indexes: Float64Array,
    writing: Writing,
  ): Promise<PageRef | undefined> {
    const { birth, turns, shared } = writing;
    if (turns.isOver) await turns.next();
    const span = refsEach ** level;
    const end = (Math.floor((indexes[0] ?? 0) / span) + 1) * span;
    if (old !== undefined && old.birth > shared.ofPage(end)) this.#pages.free(old);
    if (level === 0) {
      const leaf = this.#changed.get(indexes[0] ?? -1);
      assert(leaf !== undefined && indexes.length === 1, 'a leaf is rewritten from its own change');
      return isZero(leaf.bytes) ? undefined : await this.#pages.write(leaf, birth);
    }
    const bytes = old === undefined ? new Uint8Array(blockSize) : Uint8Array.from((await this.#pages.read(old)).bytes);
    const page = pageOf(bytes);
    const below = span / refsEach;
    for (let start = 0; start < indexes.length;) {
      const child = Math.floor((indexes[start] ?? 0) / below) % refsEach;
      let stop = start + 1;
      while (stop < indexes.length && Math.floor((indexes[stop] ?? 0) / below) % refsEach === child) stop += 1;
      const inside = indexes.subarray(start, stop);
      writeRef(page.view, child, await this.#rewrite(readRef(page.view, child), level - 1, inside, writing));
      start = stop;
    }
    return isZero(bytes) ? undefined : await this.#pages.write(page, birth);
  }
}

/** How a tree is written: the birth of its new pages, and which of the old ones others have as well. */
type Writing = { readonly birth: number; readonly turns: Turns; readonly shared: Shared };

function interiorPage(first: PageRef): Page {
  const page = pageOf(new Uint8Array(blockSize));
  writeRef(page.view, 0, first);
  return page;
}

const zeroPage = new Uint8Array(blockSize);

const isZero = (bytes: Uint8Array): boolean => Buffer.compare(bytes, zeroPage) === 0;
