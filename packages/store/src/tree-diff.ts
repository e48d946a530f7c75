import { isPromise, type Settled } from '@ashlar/core';
import { readRef, refsEach, type PageRef } from './format/page-ref.ts';
import type { Page } from './page-file.ts';
import type { TreeRoot } from './page-tree.ts';

/** Two maps that are compared, and where their pages are read. */
export type Compared = {
  readonly read: (ref: PageRef) => Settled<Page>;
  /** The same of many at once, each by itself. */
  readonly readMany: (refs: readonly PageRef[]) => readonly Settled<Page>[];
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

async function* between(compared: Compared, pair: Pair, first: number, end: number): AsyncGenerator<LeafPair> {
  const { level, start, before, after } = pair;
  if (start >= end || start + refsEach ** level <= first || isSame(before, after)) return;
  if (level === 0) yield* leavesOf(compared, [pair]);
  else if (level === 1) yield* leavesOf(compared, await below(compared, pair, first, end));
  else if (level > 2)
    for (const each of await below(compared, pair, first, end)) yield* between(compared, each, first, end);
  else {
    // While what is below one page is looked at, what is below the next one is on its way.
    let next: Promise<Iterable<Promise<LeafPair>>> | undefined;
    for (const each of [...(await below(compared, pair, first, end)), undefined]) {
      const leaves = next;
      next =
        each === undefined ? undefined : below(compared, each, first, end).then((pairs) => askedFor(compared, pairs));
      next?.catch(() => undefined);
      if (leaves !== undefined) for (const leaf of await leaves) yield await leaf;
    }
  }
}

/** The parts one level down that differ, and are not outside [first, end). */
async function below(
  compared: Compared,
  { level, start, before, after }: Pair,
  first: number,
  end: number,
): Promise<readonly Pair[]> {
  const span = refsEach ** (level - 1);
  const [one, other] = await Promise.all([childrenOf(compared, before, level), childrenOf(compared, after, level)]);
  const pairs: Pair[] = [];
  for (let index = 0; index < refsEach; index += 1) {
    const pair = { level: level - 1, start: start + index * span, before: one(index), after: other(index) };
    const isInside = pair.start < end && pair.start + span > first;
    if (isInside && !isSame(pair.before, pair.after)) pairs.push(pair);
  }
  return pairs;
}

async function* leavesOf(compared: Compared, pairs: readonly Pair[]): AsyncGenerator<LeafPair> {
  for (const leaf of askedFor(compared, pairs)) yield await leaf;
}

/** Leaves whose pages are asked for together: one behind the other each would wait for the disk. */
function askedFor(compared: Compared, pairs: readonly Pair[]): readonly Promise<LeafPair>[] {
  const refs = pairs.flatMap(({ before, after }) => [before.ref, after.ref]);
  const pages = compared.readMany(refs.filter((ref) => ref !== undefined)).values();
  const pageFor = (ref: PageRef | undefined): Settled<Page> | undefined =>
    ref === undefined ? undefined : pages.next().value;
  const leaves = pairs.map(async ({ start, before, after }): Promise<LeafPair> => {
    const [one, other] = await Promise.all([pageFor(before.ref), pageFor(after.ref)]);
    return { index: start, before: one, after: other };
  });
  for (const leaf of leaves) leaf.catch(() => undefined);
  return leaves;
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
