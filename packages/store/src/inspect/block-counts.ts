import type { ObjectRecord } from '../records/keys.ts';
import type { Findings } from './findings.ts';
import { keyOf, nameOfOwner, whereOf, type State } from './states.ts';

/** A state's record with the count of blocks that its map has. */
export type Recounted = { readonly key: Uint8Array; readonly record: ObjectRecord };

/** Counts what the maps of states have, each by how it differs from the one in front of it. */
export class BlockCounts {
  /** By key: a state, and how many blocks more it has than the one in front; nothing where that is not known. */
  readonly #states = new Map<string, { readonly state: State; readonly more: number | undefined }>();
  readonly #counted = new Map<string, number | undefined>();

  add(state: State, more: number | undefined): void {
    this.#states.set(nameOf(state), { state, more });
  }

  /** Tells which counts on record are wrong, and gives those that are known to be. `isDoubtful`: some map may be another's. */
  wrong(findings: Findings, isDoubtful: boolean): Recounted[] {
    const found: Recounted[] = [];
    for (const [name, { state, more }] of this.#states) {
      const { record, before } = state;
      if (more === undefined || before === 'unknown') continue;
      const counted = this.#countOf(name);
      // Of the one in front it is not known what its map has: what is on record of it is taken for true.
      const blocks = counted ?? more + (before?.record.blocks ?? 0);
      if (blocks === record.blocks) continue;
      const sentence = `${nameOfOwner(state)} has ${blocks} blocks in its map and ${record.blocks} on record`;
      const where = { ...whereOf(state), counted: blocks, onRecord: record.blocks };
      const isKnown = counted !== undefined && !isDoubtful;
      findings.add('count-wrong', sentence, where, isKnown ? 'repair' : 'none');
      if (isKnown) found.push({ key: keyOf(state), record: { ...record, blocks } });
    }
    return found;
  }

  /** Nothing where a map on the way to the first state cannot be read. */
  #countOf(name: string): number | undefined {
    const way: string[] = [];
    for (let at: string | undefined = name; at !== undefined && !this.#counted.has(at);) {
      way.push(at);
      const before: State['before'] = this.#states.get(at)?.state.before;
      at = before === undefined || before === 'unknown' ? undefined : nameOf(before);
    }
    for (const each of way.reverse()) this.#counted.set(each, this.#countBehind(each));
    return this.#counted.get(name);
  }

  #countBehind(name: string): number | undefined {
    const known = this.#states.get(name);
    const before = known?.state.before;
    if (known?.more === undefined || before === 'unknown') return undefined;
    if (before === undefined) return known.more;
    const front = this.#counted.get(nameOf(before));
    return front === undefined ? undefined : front + known.more;
  }
}

const nameOf = (owner: Parameters<typeof keyOf>[0]): string => Buffer.from(keyOf(owner)).toString('latin1');
