/** What may be wrong with a pool besides blocks of data that do not verify. */
export type ProblemKind =
  | 'record-damaged'
  | 'record-missing'
  | 'record-unknown'
  | 'record-stray'
  | 'number-low'
  | 'page-damaged'
  | 'checksum-page-damaged'
  | 'page-leaked'
  | 'page-shared'
  | 'page-not-claimed'
  | 'slot-leaked'
  | 'slot-shared'
  | 'slot-not-claimed'
  | 'slot-outside'
  | 'count-wrong'
  | 'entry-wrong'
  | 'journal-hole'
  | 'journal-header'
  | 'journal-cut'
  | 'damage-unlisted';

/** What takes a problem away: a repair, the next start, or neither, since nothing in the pool says what is right. */
export type Mend = 'repair' | 'start' | 'none';

export type Problem = {
  readonly kind: ProblemKind;
  readonly sentence: string;
  readonly mend: Mend;
  /** The numbers of the sentence, for programs. Offsets and lengths are bytes. */
  readonly where: Readonly<Record<string, number>>;
};

/** Problems that are told one by one; of more only the count is known. */
const mostListed = 1000;

/** Problems as they are found, in memory of set size. */
export class Findings {
  readonly #listed: Problem[] = [];
  #count = 0;
  #mendable = 0;

  add(kind: ProblemKind, sentence: string, where: Readonly<Record<string, number>> = {}, mend: Mend = 'none'): void {
    this.#count += 1;
    if (mend === 'repair') this.#mendable += 1;
    if (this.#listed.length < mostListed) this.#listed.push({ kind, sentence, mend, where });
  }

  /** Takes over what others found. */
  join(others: Findings): void {
    this.#count += others.#count;
    this.#mendable += others.#mendable;
    this.#listed.push(...others.#listed.slice(0, mostListed - this.#listed.length));
  }

  get listed(): readonly Problem[] {
    return this.#listed;
  }

  get count(): number {
    return this.#count;
  }

  /** Of those, what a repair mends. */
  get mendable(): number {
    return this.#mendable;
  }
}
