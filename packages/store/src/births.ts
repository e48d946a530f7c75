import { assert } from '@ashlar/core';
import { Shared } from './shared.ts';
import type { SnapshotState } from './state.ts';

/**
 * The births that a checkpoint gives in one store. What a generation brings home is born with it, so that a snapshot that ended a generation has
 * all that was born up to then, and nothing that comes later.
 */
export class Births {
  readonly #first: number;
  readonly #snapshots: readonly SnapshotState[];
  readonly #pending: readonly SnapshotState[];
  readonly #floor: number;

  /** `first`: of the oldest generation that is not home. `snapshots`: in their order; `floor`: what was born up to then is what the store was cloned from. */
  constructor(first: number, snapshots: readonly SnapshotState[], floor: number) {
    this.#first = first;
    this.#snapshots = snapshots;
    this.#pending = snapshots.filter(({ birth }) => birth === undefined);
    this.#floor = floor;
  }

  /** The greatest that is given. */
  get last(): number {
    return this.#first + this.#pending.length;
  }

  /** Snapshots that have their birth with this checkpoint. */
  pending(): { readonly snapshot: SnapshotState; readonly birth: number }[] {
    return this.#pending.map((snapshot, index) => ({ snapshot, birth: this.#first + index }));
  }

  of(generation: number): number {
    return this.#first + this.#pending.filter(({ id }) => id < generation).length;
  }

  /** The newest snapshot that ended a generation before this one. */
  before(generation: number): SnapshotState | undefined {
    return this.#snapshots.findLast(({ id }) => id < generation);
  }

  /** What of an object, as it was in that generation, is older snapshots' as well. */
  shared(generation: number): Shared {
    const before = this.before(generation);
    if (before === undefined) return new Shared(this.#floor);
    const birth = before.birth ?? this.of(before.id);
    assert(birth < this.of(generation), 'a generation is born behind the snapshot before it');
    return new Shared(birth);
  }
}
