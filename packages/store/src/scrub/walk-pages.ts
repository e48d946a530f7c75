import { readRef, refsEach, type PageRef } from '../format/page-ref.ts';
import { blockSize } from '../checksum.ts';
import type { PageFile } from '../page-file.ts';
import type { Turns } from '../turns.ts';
import type { Gate } from './gate.ts';
import type { Walked } from './walked.ts';

/** Pages that are verified together: alone each would wait for the disk. */
const pagesAtOnce = 16;

/** A checkpoint committed while a tree was walked: the walk goes on in the new one. */
const moved = Symbol('moved');

type Visitor = {
  readonly pages: PageFile;
  readonly gate: Gate;
  readonly turns: Turns;
  /** A page is not on the disk as what refers to it says: what it leads to is not met. */
  readonly damaged: () => void;
  /** A leaf that is whole, and its index. */
  readonly leaf: (view: DataView, index: number) => Promise<void>;
};

/** Verifies the pages of a tree on the disk from a leaf on, past the cache, those that were born behind its floor. Ends where the gate does. */
export async function walkPages(walked: Walked, from: number, visitor: Visitor): Promise<void> {
  const walk = new PageWalk(walked, from, visitor);
  while ((await walk.run()) === moved) continue;
}

class PageWalk {
  readonly #walked: Walked;
  readonly #visitor: Visitor;
  /** The first leaf that is not done. */
  #next: number;
  #root: Walked['tree']['root'];

  constructor(walked: Walked, from: number, visitor: Visitor) {
    this.#walked = walked;
    this.#visitor = visitor;
    this.#next = from;
    this.#root = walked.tree.root;
  }

  async run(): Promise<typeof moved | undefined> {
    this.#root = this.#walked.tree.root;
    const { ref, levels } = this.#root;
    if (ref === undefined) return undefined;
    const end = await this.#visitAll([{ ref, first: 0 }], levels);
    return this.#isOver || this.#walked.tree.root === this.#root ? end : moved;
  }

  get #isOver(): boolean {
    return this.#visitor.gate.hasEnded || !this.#walked.isThere();
  }

  /** Pages of one level that follow each other, and what is below them. */
  async #visitAll(pages: readonly Placed[], level: number): Promise<typeof moved | undefined> {
    const { gate, turns, damaged } = this.#visitor;
    const span = refsEach ** level;
    const wanted = pages.filter(({ ref, first }) => first + span > this.#next && ref.birth > this.#walked.floor);
    for (let at = 0; at < wanted.length; at += pagesAtOnce) {
      const some = wanted.slice(at, at + pagesAtOnce);
      if (this.#isOver || !(await gate.pass(some.length * blockSize))) return undefined;
      if (turns.isOver) await turns.next();
      const found = await Promise.all(some.map(({ ref }) => this.#visitor.pages.fromDisk(ref)));
      for (const [index, { first }] of some.entries()) {
        if (this.#isOver) return undefined;
        if (this.#walked.tree.root !== this.#root) return moved;
        const page = found[index];
        if (page !== undefined && level > 0) {
          if ((await this.#visitAll(below(page.view, first, span / refsEach), level - 1)) === moved) return moved;
        } else if (page !== undefined) await this.#visitor.leaf(page.view, first);
        else damaged();
        this.#next = Math.max(this.#next, first + span);
      }
    }
    return undefined;
  }
}

/** A page, and the first leaf below it. */
type Placed = { readonly ref: PageRef; readonly first: number };

function below(view: DataView, first: number, span: number): Placed[] {
  const pages: Placed[] = [];
  for (let index = 0; index < refsEach; index += 1) {
    const ref = readRef(view, index);
    if (ref !== undefined) pages.push({ ref, first: first + index * span });
  }
  return pages;
}
