import { refcountAt } from '../refcount-block.ts';
import type { CheckRepair, Findings } from './findings.ts';
import type { ReferenceCounts } from './reference-counts.ts';
import type { StoredRefcounts } from './stored-refcounts.ts';

export type Compared = {
  /** Somebody refers to a cluster that nobody is counted for. */
  readonly needsRebuild: boolean;
  /** The last cluster that anybody has, or is counted for. */
  readonly highest: number;
};

/** Compares the refcounts on disk with who refers to the clusters. What `repair` says is mended by that. */
export async function compareCounts(
  stored: StoredRefcounts,
  counts: ReferenceCounts,
  findings: Findings,
  repair: CheckRepair,
): Promise<Compared> {
  let needsRebuild = false;
  let highest = 0;
  const { clusters } = counts;
  const { bits, each } = stored;
  const blocks = Math.ceil(clusters / each);
  for (let index = 0; index < blocks; index += 1) {
    const block = await stored.block(index);
    const first = index * each;
    const count = Math.min(clusters - first, each);
    for (let at = 0; at < count; at += 1) {
      const cluster = first + at;
      const counted = block === undefined ? 0 : refcountAt(block, at, bits);
      const references = counts.at(cluster);
      if (counted > 0 || references > 0) highest = cluster;
      if (counted === references) continue;
      if (counted === 0) needsRebuild = true;
      await mismatch(stored, findings, repair, { cluster, counted, references });
    }
  }
  return { needsRebuild, highest };
}

type Mismatch = { readonly cluster: number; readonly counted: number; readonly references: number };

async function mismatch(
  stored: StoredRefcounts,
  { figures, say }: Findings,
  repair: CheckRepair,
  { cluster, counted, references }: Mismatch,
): Promise<void> {
  const isLeak = counted > references;
  // What nobody is counted for has no place in a block that could be trusted.
  const isMended = counted > 0 && (isLeak ? repair !== 'none' : repair === 'all');
  say(
    `${isMended ? 'Repairing' : isLeak ? 'Leaked' : 'ERROR'} cluster ${cluster} refcount=${counted} reference=${references}`,
  );
  if (isMended) {
    await stored.put(cluster, references);
    if (isLeak) figures.leaksFixed += 1;
    else figures.corruptionsFixed += 1;
  } else if (isLeak) figures.leaks += 1;
  else figures.corruptions += 1;
}
