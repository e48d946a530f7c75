import type { SnapshotId } from '@ashlar/core';
import { apply, copyOf, promises, stateOf, type Change, type LedgerLine, type VolumeState } from './ledger.ts';

type Done = Extract<LedgerLine, { kind: 'done' }>;

/** What was found after a cut: a block without a version is of no write, or of several. */
export type Found = {
  readonly object: number | undefined;
  readonly versions: readonly (number | undefined)[];
  readonly snapshots: ReadonlyMap<SnapshotId, readonly (number | undefined)[]>;
};

/**
 * What a volume may be after a cut: its history was cut at one moment, behind everything that was promised until then and before
 * everything that was asked later. What ran at that moment may be there in part, each block old or new.
 */
export class Expectation {
  readonly #first: VolumeState;
  readonly #changes: readonly Change[];
  readonly #least: number;

  constructor(lines: readonly LedgerLine[], volume: number, cut: number) {
    const opened = lines.find((line) => line.kind === 'opened');
    const state = opened?.volumes[volume]?.state;
    if (state === undefined) throw new Error(`the ledger does not know volume ${volume}`);
    const done = lines.filter((line): line is Done => line.kind === 'done' && line.volume === volume);
    const begun = done.filter((line) => line.begun < cut);
    this.#first = stateOf(state);
    this.#changes = begun.map(({ change }) => change);
    this.#least = begun.findLastIndex(({ answered, change }) => answered <= cut && promises(change)) + 1;
  }

  /** What is wrong with what was found, as of the moment that it fits best; nothing where it is one of those that may be. */
  problems(found: Found): string[] {
    const state = copyOf(this.#first);
    let best: string[] | undefined;
    for (let moment = 0; moment <= this.#changes.length; moment += 1) {
      const next = this.#changes[moment];
      if (moment >= this.#least) {
        const wrong = differences(state, next, found);
        if (wrong.length === 0) return [];
        if (best === undefined || wrong.length < best.length) {
          const name = `as of change ${moment}, of which ${this.#least} were promised and ${this.#changes.length} begun`;
          best = wrong.map((sentence) => `${sentence} (${name})`);
        }
      }
      if (next !== undefined) apply(state, next);
    }
    return best ?? [];
  }
}

/** Where what was found is neither the state nor, in the blocks that `running` is about, what that makes of it. */
function differences(state: VolumeState, running: Change | undefined, found: Found): string[] {
  const wrong: string[] = [];
  if (found.object !== state.object) wrong.push(`the object is ${found.object}, not ${state.object}`);
  for (const [block, version] of found.versions.entries()) {
    const old = state.versions[block];
    if (version === old) continue;
    const isUnderWay = running?.kind === 'set' && block >= running.first && block < running.first + running.count;
    if (isUnderWay && version === running.version) continue;
    wrong.push(`block ${block} has ${version ?? 'nothing that was written there'}, not ${old}`);
  }
  for (const id of state.snapshots.keys()) if (!found.snapshots.has(id)) wrong.push(`the snapshot ${id} is gone`);
  for (const [id, versions] of found.snapshots) {
    const kept = state.snapshots.get(id);
    if (kept === undefined) {
      wrong.push(`the snapshot ${id} should not be there`);
      continue;
    }
    for (const [block, version] of versions.entries()) {
      if (version !== kept[block]) wrong.push(`block ${block} of snapshot ${id} has ${version}, not ${kept[block]}`);
    }
  }
  return wrong;
}
