import { blocksOf, savedOf, type ChunkEntry } from '../format/map-leaf.ts';
import type { ObjectRecord } from '../records/keys.ts';
import type { Findings } from './findings.ts';
import { keyOf, nameOfOwner, whereOf, type State } from './states.ts';

/** Blocks that a map takes, and how many less that is than what it holds. */
export type MapCounts = { readonly blocks: number; readonly saved: number };

export const noBlocks: MapCounts = { blocks: 0, saved: 0 };

export const countsOf = (entry: ChunkEntry): MapCounts => ({ blocks: blocksOf(entry), saved: savedOf(entry) });

export const sum = (one: MapCounts, other: MapCounts): MapCounts => ({
  blocks: one.blocks + other.blocks,
  saved: one.saved + other.saved,
});

export const difference = (one: MapCounts, other: MapCounts): MapCounts => ({
  blocks: one.blocks - other.blocks,
  saved: one.saved - other.saved,
});

/** A state's record with the counts of blocks that its map has. */
export type Recounted = { readonly key: Uint8Array; readonly record: ObjectRecord };

/** Counts what the maps of states have, each by how it differs from the one in front of it. */
export class BlockCounts {
  /** By key: a state, and what it has more than the one in front; nothing where that is not known. */
  readonly #states = new Map<string, { readonly state: State; readonly more: MapCounts | undefined }>();
  readonly #counted = new Map<string, MapCounts | undefined>();

  add(state: State, more: MapCounts | undefined): void {
    this.#states.set(nameOf(state), { state, more });
  }

  /** Tells which counts on record are wrong, and gives those that are known to be. `isDoubtful`: some map may be another's. */
  wrong(findings: Findings, isDoubtful: boolean): Recounted[] {
    const recounted: Recounted[] = [];
    for (const [name, { state, more }] of this.#states) {
      const { record, before } = state;
      if (more === undefined || before === 'unknown') continue;
      const counted = this.#countOf(name);
      // Of the one in front it is not known what its map has: what is on record of it is taken for true.
      const found = counted ?? sum(more, recorded(before?.record));
      const { blocks, saved } = recorded(record);
      if (found.blocks === blocks && found.saved === saved) continue;
      const told =
        found.blocks === blocks
          ? { what: 'blocks saved by compression', counted: found.saved, onRecord: saved }
          : { what: 'blocks', counted: found.blocks, onRecord: blocks };
      const { what, ...counts } = told;
      const sentence = `${nameOfOwner(state)} has ${counts.counted} ${what} in its map and ${counts.onRecord} on record`;
      const where = { ...whereOf(state), ...counts };
      const isKnown = counted !== undefined && !isDoubtful;
      findings.add('count-wrong', sentence, where, isKnown ? 'repair' : 'none');
      if (isKnown) recounted.push({ key: keyOf(state), record: withCounts(record, found) });
    }
    return recounted;
  }

  /** Nothing where a map on the way to the first state cannot be read. */
  #countOf(name: string): MapCounts | undefined {
    const way: string[] = [];
    for (let at: string | undefined = name; at !== undefined && !this.#counted.has(at);) {
      way.push(at);
      const before: State['before'] = this.#states.get(at)?.state.before;
      at = before === undefined || before === 'unknown' ? undefined : nameOf(before);
    }
    for (const each of way.reverse()) this.#counted.set(each, this.#countBehind(each));
    return this.#counted.get(name);
  }

  #countBehind(name: string): MapCounts | undefined {
    const known = this.#states.get(name);
    const before = known?.state.before;
    if (known?.more === undefined || before === 'unknown') return undefined;
    if (before === undefined) return known.more;
    const front = this.#counted.get(nameOf(before));
    return front === undefined ? undefined : sum(front, known.more);
  }
}

const nameOf = (owner: Parameters<typeof keyOf>[0]): string => Buffer.from(keyOf(owner)).toString('latin1');

const recorded = (record: ObjectRecord | undefined): MapCounts => ({
  blocks: record?.blocks ?? 0,
  saved: record?.saved ?? 0,
});

function withCounts(record: ObjectRecord, { blocks, saved }: MapCounts): ObjectRecord {
  const counted = { ...record, blocks };
  return saved === 0 && record.saved === undefined ? counted : { ...counted, saved };
}
