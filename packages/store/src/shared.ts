/**
 * Which of the pieces and pages under a live object are its snapshots' too, or those of what it was cloned from: all up to a birth.
 * The object changes none of them and frees none. While the newest snapshot is being deleted that goes for the leaves which the
 * deletion has not come to yet; below them the birth of the snapshot before counts.
 */
export class Shared {
  readonly #birth: number;
  readonly #before: number;
  readonly #cursor: number;

  constructor(birth: number, before = birth, cursor = 0) {
    this.#birth = birth;
    this.#before = before;
    this.#cursor = cursor;
  }

  /** The birth for pieces in a leaf of the map. */
  inLeaf(leaf: number): number {
    return leaf < this.#cursor ? this.#before : this.#birth;
  }

  /** The birth for a page over the leaves below `end`, and some others in front of it. */
  ofPage(end: number): number {
    return end <= this.#cursor ? this.#before : this.#birth;
  }
}

/** Of what has no snapshots. */
export const notShared = new Shared(-1);
