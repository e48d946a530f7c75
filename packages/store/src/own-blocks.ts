type Count = {
  /** At most what there is. */
  blocks: number;
  isExact: boolean;
  /** Where it is not exact it is counted anew: what the leaves below `cursor` have. */
  cursor: number;
  counted: number;
};

/**
 * How many blocks of an object's map, data and kept room, are its own: born behind the newest snapshot in front of its last change, or
 * behind what it was cloned from. Checkpoints keep it as they change the map. What becomes its own when a snapshot goes is counted
 * afterwards, leaf by leaf.
 */
export class OwnBlocks {
  #work: Count;
  #committed: Count;
  #isChanged = false;

  constructor(isExact: boolean) {
    this.#work = { blocks: 0, isExact, cursor: 0, counted: 0 };
    this.#committed = { ...this.#work };
  }

  /** Of the committed map. */
  get blocks(): number {
    return Math.max(0, this.#committed.blocks);
  }

  get isExact(): boolean {
    return this.#committed.isExact;
  }

  /** Leaves below are counted, as the running checkpoint has it. */
  get cursor(): number {
    return this.#work.cursor;
  }

  /** The running checkpoint changed a chunk in that leaf. */
  add(leaf: number, blocks: number): void {
    if (blocks === 0) return;
    this.#isChanged = true;
    this.#work.blocks += blocks;
    if (leaf < this.#work.cursor) this.#work.counted += blocks;
  }

  /** What there is belongs to a snapshot: nothing is the object's own yet. */
  beginAnew(): void {
    this.#isChanged = true;
    this.#work = { blocks: 0, isExact: true, cursor: 0, counted: 0 };
  }

  /** More may be its own than what is known. */
  doubt(): void {
    for (const count of [this.#work, this.#committed]) Object.assign(count, { isExact: false, cursor: 0, counted: 0 });
  }

  /** Counted up to that leaf; `blocks`: found since the last time. */
  countedTo(cursor: number, blocks: number): void {
    this.#isChanged = true;
    this.#work.cursor = cursor;
    this.#work.counted += blocks;
  }

  /** All leaves are counted. */
  countedAll(): void {
    this.#isChanged = true;
    this.#work = { blocks: this.#work.counted, isExact: true, cursor: 0, counted: 0 };
  }

  commit(): void {
    if (this.#isChanged) this.#committed = { ...this.#work };
    this.#isChanged = false;
  }

  rollBack(): void {
    if (this.#isChanged) this.#work = { ...this.#committed };
    this.#isChanged = false;
  }
}
