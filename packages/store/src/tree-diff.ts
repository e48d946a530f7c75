import { isPromise, type Settled } from '@ashlar/core';
import { readRef, refsEach, type PageRef } from './format/page-ref.ts';
import type { Page } from './page-file.ts';
import type { TreeRoot } from './page-tree.ts';

/** Two maps that are compared, and where their pages are read. */
export type Compared = {
  readonly read: (ref: PageRef) => Settled<Page>;
  readonly before: TreeRoot;
  readonly after: TreeRoot;
};

/** A leaf that is not the same page in both; nothing where all of it is zero. */
export type LeafPair = { readonly index: number; readonly before: Page | undefined; readonly after: Page | undefined };

/**
 * The leaves [first, end) in which two maps differ, in order. What both have is passed over unread, so that it costs what differs and not
 * what there is.
 */
export async function* differences(compared: Compared, first: number, end: number): AsyncGenerator<LeafPair> {
  const levels = Math.max(compared.before.levels, compared.after.levels);
  yield* between(compared, { level: levels, start: 0, before: compared.before, after: compared.after }, first, end);
}

/** The part of both maps below one place: `level` interior pages lie above each leaf of it, in one of them fewer perhaps. */
type Pair = { readonly level: number; readonly start: number; readonly before: TreeRoot; readonly after: TreeRoot };

async function* between(
  compared: Compared,
  { level, start, before, after }: Pair,
  first: number,
  end: number,
): AsyncGenerator<LeafPair> {
  const span = refsEach ** level;
  if (start >= end || start + span <= first || isSame(before, after)) return;
  if (level === 0) {
    yield await leafPair(compared, { level, start, before, after });
    return;
  }
  const below = span / refsEach;
  const [one, other] = await Promise.all([childrenOf(compared, before, level), childrenOf(compared, after, level)]);
  const pairs: Pair[] = [];
  for (let index = 0; index < refsEach; index += 1) {
    const pair = { level: level - 1, start: start + index * below, before: one(index), after: other(index) };
    const isInside = pair.start < end && pair.start + below > first;
    if (isInside && !isSame(pair.before, pair.after)) pairs.push(pair);
  }
  if (level > 1) {
    for (const pair of pairs) yield* between(compared, pair, first, end);
    return;
  }
  // The leaves below one page are asked for together: one behind the other each would wait for the disk.
  const leaves = pairs.map((pair) => leafPair(compared, pair));
  for (const leaf of leaves) leaf.catch(() => undefined);
  for (const leaf of leaves) yield await leaf;
}

async function leafPair(compared: Compared, { start, before, after }: Pair): Promise<LeafPair> {
  const [one, other] = await Promise.all([pageOf(compared, before), pageOf(compared, after)]);
  return { index: start, before: one, after: other };
}

function isSame(before: TreeRoot, after: TreeRoot): boolean {
  return before.ref?.page === after.ref?.page && before.ref?.birth === after.ref?.birth;
}

async function pageOf({ read }: Compared, { ref }: TreeRoot): Promise<Page | undefined> {
  if (ref === undefined) return undefined;
  const page = read(ref);
  return isPromise(page) ? await page : page;
}

/** The parts of a map one level down. One that has fewer levels is all in the first of them. */
async function childrenOf(compared: Compared, tree: TreeRoot, level: number): Promise<(index: number) => TreeRoot> {
  const nothing: TreeRoot = { ref: undefined, levels: level - 1 };
  if (tree.levels < level) return (index) => (index === 0 ? tree : nothing);
  const page = await pageOf(compared, tree);
  return (index) => (page === undefined ? nothing : { ref: readRef(page.view, index), levels: level - 1 });
}
