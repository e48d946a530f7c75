import { isPromise, type Settled } from '@ashlar/core';
import { readRef, refsEach, type PageRef } from './format/page-ref.ts';
import type { Page } from './page-file.ts';
import type { TreeRoot } from './page-tree.ts';

/** Two maps that are compared, and where their pages are read. */
export type Compared = {
  readonly pages: {
    readonly read: (ref: PageRef) => Settled<Page>;
    /** Many, for as long as `look` takes; one that is damaged is not there. */
    readonly lend: <T>(
      refs: readonly PageRef[],
      look: (pages: readonly (Page | undefined)[]) => Promise<T>,
    ) => Promise<T>;
  };
  readonly before: TreeRoot;
  readonly after: TreeRoot;
  /** Whether both are still what they were. The pages of one that is not may be others by now. */
  readonly isStill: () => boolean;
};

/** A leaf that is not the same page in both; nothing where all of it is zero. Its pages may not be looked at any more behind the visit. */
export type LeafPair = { readonly index: number; readonly before: Page | undefined; readonly after: Page | undefined };

/** False where no more are to come. */
type Visit = (pair: LeafPair) => boolean;

/** Lots of leaves on their way while one is visited. */
const lotsAhead = 8;

/** The part of both maps below one place: `level` interior pages lie above each leaf of it, in one of them fewer perhaps. */
type Pair = { readonly level: number; readonly start: number; readonly before: TreeRoot; readonly after: TreeRoot };

/**
 * Visits the leaves [first, end) in which two maps differ, in order, until one of both is another map or a visit gives false. What both have is
 * passed over unread, so that it costs what differs and not what there is.
 */
export async function eachDifference(compared: Compared, first: number, end: number, visit: Visit): Promise<void> {
  const levels = Math.max(compared.before.levels, compared.after.levels);
  const root: Pair = { level: levels, start: 0, before: compared.before, after: compared.after };
  const underWay: Promise<boolean>[] = [];
  let turn = Promise.resolve(true);
  try {
    for await (const parent of parentsOf(compared, root, first, end)) {
      turn = visitLot(compared, parent, { first, end, visit, turn });
      turn.catch(() => undefined);
      underWay.push(turn);
      if (underWay.length > lotsAhead && !(await underWay.shift())) break;
    }
    await turn;
  } catch (error) {
    if (compared.isStill()) throw error;
  } finally {
    await Promise.allSettled(underWay);
  }
}

/** The lowest interior pages that differ, and what is below them, in order. A map that is one leaf has none: it is a lot by itself. */
async function* parentsOf(compared: Compared, pair: Pair, first: number, end: number): AsyncGenerator<Pair> {
  if (pair.level <= 1) {
    if (isWanted(pair, first, end)) yield pair;
  } else for (const each of await below(compared, pair, first, end)) yield* parentsOf(compared, each, first, end);
}

type Lot = {
  readonly first: number;
  readonly end: number;
  readonly visit: Visit;
  /** Of the lot in front of it. */
  readonly turn: Promise<boolean>;
};

/** Leaves whose pages are asked for together: one behind the other each would wait for the disk. */
async function visitLot(compared: Compared, parent: Pair, { first, end, visit, turn }: Lot): Promise<boolean> {
  const leaves = parent.level === 0 ? [parent] : await below(compared, parent, first, end);
  const refs = leaves.flatMap(({ before, after }) => [before.ref, after.ref]).filter((ref) => ref !== undefined);
  return compared.pages.lend(refs, async (lent) => {
    if (!(await turn)) return false;
    let next = 0;
    const pageOf = (ref: PageRef | undefined): Settled<Page> | undefined =>
      ref === undefined ? undefined : (lent[next++] ?? compared.pages.read(ref));
    for (const { start, before, after } of leaves) {
      if (!compared.isStill()) return false;
      const one = pageOf(before.ref);
      const other = pageOf(after.ref);
      const pair = {
        index: start,
        before: isPromise(one) ? await one : one,
        after: isPromise(other) ? await other : other,
      };
      if (!visit(pair)) return false;
    }
    return true;
  });
}

/** The parts one level down that differ, and are not outside [first, end). */
async function below(compared: Compared, pair: Pair, first: number, end: number): Promise<readonly Pair[]> {
  const { level, start, before, after } = pair;
  const span = refsEach ** (level - 1);
  const [one, other] = await Promise.all([childrenOf(compared, before, level), childrenOf(compared, after, level)]);
  const pairs: Pair[] = [];
  for (let index = 0; index < refsEach; index += 1) {
    const child = { level: level - 1, start: start + index * span, before: one(index), after: other(index) };
    if (isWanted(child, first, end)) pairs.push(child);
  }
  return pairs;
}

function isWanted({ level, start, before, after }: Pair, first: number, end: number): boolean {
  return start < end && start + refsEach ** level > first && !isSame(before, after);
}

function isSame(before: TreeRoot, after: TreeRoot): boolean {
  return before.ref?.page === after.ref?.page && before.ref?.birth === after.ref?.birth;
}

/** The parts of a map one level down. One that has fewer levels is all in the first of them. */
async function childrenOf(compared: Compared, tree: TreeRoot, level: number): Promise<(index: number) => TreeRoot> {
  const nothing: TreeRoot = { ref: undefined, levels: level - 1 };
  if (tree.levels < level) return (index) => (index === 0 ? tree : nothing);
  const page = tree.ref === undefined ? undefined : await compared.pages.read(tree.ref);
  return (index) => (page === undefined ? nothing : { ref: readRef(page.view, index), levels: level - 1 });
}
