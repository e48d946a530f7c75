import type { ObjectId, StoreId } from '@ashlar/core';
import { blockSize } from '../checksum.ts';
import { emptyEntry, entriesEach, readEntry, type ChunkEntry, type Piece } from '../format/map-leaf.ts';
import { rootOf } from '../kept.ts';
import type { Page } from '../page-file.ts';
import { checksumsEach } from '../slot-checksums.ts';
import { BlockCounts, countsOf, difference, noBlocks, sum, type MapCounts } from './block-counts.ts';
import type { Census } from './census.ts';
import { checkEntry, checkShared } from './check-entry.ts';
import type { Findings } from './findings.ts';
import { walkTree, type TreeVisitor } from './page-reader.ts';
import { checksumRootOf, type PoolFiles } from './pool-files.ts';
import {
  besideOf,
  deadOf,
  lastBirthOf,
  nameOfOwner,
  statesOf,
  whereOf,
  type Dead,
  type Owner,
  type State,
} from './states.ts';
import { referrersOf } from './slot-view.ts';

/** Reads and verifies pieces that nobody has read yet. */
export type Verify = (owner: Owner, pieces: readonly Piece[]) => Promise<void>;

/** What is walked as if it were not there: maps that are being deleted, by their numbers, and what is on record of stores that were. */
export type Passed = { readonly dead: ReadonlySet<number>; readonly stores: ReadonlySet<StoreId> };

/** A chunk that the journal, behind the last checkpoint, has put into a slot. */
export type Placed = { readonly object: ObjectId; readonly chunk: number };

/** Slots that are referred to more than once whose referrers are looked for. */
const mostShared = 100;

type Where = Readonly<Record<string, number>>;

/** Walks every map of a pool, each page once, and counts what they refer to. */
export class Survey {
  readonly counts = new BlockCounts();
  /** Maps that are being deleted and do not fit what others have, or cannot be read. */
  readonly unfit = new Set<number>();
  /** Some map cannot be read to its end: what nothing seems to refer to may be in there. */
  isPartial = false;
  /** Something refers to what it cannot: that may be what nothing seems to refer to. */
  isDoubtful = false;
  highestBirth = 0;
  readonly #pool: PoolFiles;
  readonly #findings: Findings;
  readonly #unfitFindings: Findings;
  readonly #slots: Census;
  readonly #pages: Census;
  readonly #placed: ReadonlyMap<number, Placed>;
  readonly #verify: Verify | undefined;
  readonly #shared = new Set<number>();
  /** Parts of their maps lie beside damage: they are walked when everything else is. */
  readonly #besideDamage = new Set<State>();

  /** `unfitFindings`: of maps that are being deleted. `placed`: by slot, what the journal has put there. Without `verify` no data is read. */
  constructor(
    pool: PoolFiles,
    findings: Findings,
    unfitFindings: Findings,
    counts: { readonly slots: Census; readonly pages: Census },
    placed: ReadonlyMap<number, Placed>,
    verify?: Verify,
  ) {
    this.#pool = pool;
    this.#findings = findings;
    this.#unfitFindings = unfitFindings;
    this.#slots = counts.slots;
    this.#pages = counts.pages;
    this.#placed = placed;
    this.#verify = verify;
  }

  async run(passed: Passed): Promise<void> {
    await this.#walkChecksums();
    for (const state of statesOf(this.#pool)) if (!passed.stores.has(state.store)) await this.#walkState(state);
    for (const state of this.#besideDamage) await this.#walkBesideDamage(state);
    for (const dead of deadOf(this.#pool, passed.dead)) await this.#walkDead(dead);
    await this.#tellShared();
  }

  /** Every page of the table of checksums is there and whole. */
  async #walkChecksums(): Promise<void> {
    const { blocksEach } = this.#pool;
    await walkTree(this.#pool.pages, checksumRootOf(this.#pool), {
      met: ({ page, birth }) => this.#meet(page, birth, 'the table of checksums'),
      leaf: () => undefined,
      damaged: ({ page }, first, end) => {
        this.isPartial ||= end - first > 1;
        const [slot, endSlot] = [first, end].map((leaf) => Math.floor((leaf * checksumsEach) / blocksEach)) as [
          number,
          number,
        ];
        const sentence = `page ${page} of the checksums is missing or damaged: blocks of slots ${slot} to ${endSlot - 1} cannot be verified`;
        this.#findings.add('checksum-page-damaged', sentence, { page, slot, endSlot });
      },
    });
  }

  /** What a state has and the one in front of it has not. */
  async #walkState(state: State): Promise<void> {
    const { record } = state;
    const lastBirth = lastBirthOf(this.#pool, state);
    let more: MapCounts | undefined = noBlocks;
    const unknown = (): void => {
      more = undefined;
      this.#besideDamage.add(state);
    };
    const visitor: TreeVisitor = {
      met: ({ page, birth }, _first, _end, isOwn) => {
        const isWalked = isOwn && this.#meet(page, birth, `the map of ${nameOfOwner(state)}`);
        if (!isOwn) unknown();
        else if (!isWalked) more = undefined;
        else if (birth > lastBirth) this.#tellLate(state, page);
        return isWalked;
      },
      leaf: async (index, page, beside) => {
        const counted = await this.#takeLeaf(state, index, page, beside);
        if (counted === undefined) unknown();
        else if (more !== undefined) more = sum(more, counted);
      },
      gone: (beside) => {
        more = more === undefined || beside === 'unknown' ? undefined : difference(more, countsIn(beside));
      },
      damaged: ({ page }, first, end) => {
        more = undefined;
        this.#tellDamagedPage(nameOfOwner(state), page, first, end, whereOf(state));
      },
    };
    await walkTree(this.#pool.pages, rootOf(record), visitor, besideOf(state.before));
    this.counts.add(state, more);
  }

  /** Where the map in front cannot be read it is not known what of this one is that one's as well: what nobody else was met with is taken. */
  async #walkBesideDamage(state: State): Promise<void> {
    const { record } = state;
    // Leaves that were not looked at yet.
    const fresh = new Set<number>();
    const visitor: TreeVisitor = {
      met: ({ page, birth }, first, end, isOwn) => {
        if (isOwn) return true;
        this.#born(birth);
        const isFresh = this.#pages.see(page) !== 'again';
        if (isFresh && end === first + 1) fresh.add(first);
        return isFresh;
      },
      leaf: async (index, { view }, beside) => {
        if (beside !== 'unknown') return;
        const isFresh = fresh.delete(index);
        const pieces: Piece[] = [];
        for (let at = 0; at < entriesEach; at += 1) {
          const entry = readEntry(view, at);
          const chunk = index * entriesEach + at;
          if (isFresh) this.#checkEntry(state, chunk, entry, record.sizeBytes);
          for (const piece of entry.pieces) {
            if (this.#meetSlot(state, chunk, piece, true)) pieces.push(piece);
          }
        }
        await this.#verify?.(state, pieces);
      },
      damaged: ({ page }, first, end, isOwn) => {
        if (!isOwn) this.#tellDamagedPage(nameOfOwner(state), page, first, end, whereOf(state));
      },
    };
    await walkTree(this.#pool.pages, rootOf(record), visitor, besideOf(state.before));
  }

  /** Meets what a dead map has still to free. */
  async #walkDead({ id, record, behind }: Dead): Promise<void> {
    const { object, store, floor, cursor } = record;
    const by = `a map that is being deleted, of object ${object} of store ${store}`;
    const where = { store, object };
    const visitor: TreeVisitor = {
      met: ({ page, birth }, _first, end, isOwn) => {
        this.isPartial ||= !isOwn;
        if (!isOwn || birth <= floor || end <= cursor) return false;
        this.#born(birth);
        if (this.#pages.see(page) !== 'again') return true;
        this.#tellUnfit(id, 'page-shared', `page ${page} is another map's as well as that of ${by}`, { page });
        return false;
      },
      leaf: (index, { view }, beside) => {
        if (beside === 'unknown') return;
        for (let at = 0; at < entriesEach; at += 1) {
          const kept = beside === undefined ? [] : readEntry(beside.view, at).pieces;
          for (const { slot, birth } of readEntry(view, at).pieces) {
            if (birth <= floor || kept.some((piece) => piece.slot === slot)) continue;
            this.#born(birth);
            const met = this.#placed.has(slot) ? 'again' : this.#slots.see(slot);
            if (met === 'first') continue;
            const place = `chunk ${index * entriesEach + at} of ${by}`;
            if (met === 'again')
              this.#tellUnfit(id, 'slot-shared', `slot ${slot} is another's as well as ${place}`, { slot });
            else
              this.#tellUnfit(id, 'slot-outside', `${place} is said to lie in slot ${slot}, which no data file has`, {
                slot,
              });
          }
        }
      },
      damaged: ({ page }, first, end) => {
        this.unfit.add(id);
        this.#tellDamagedPage(by, page, first, end, where, true);
      },
    };
    await walkTree(this.#pool.pages, rootOf(record), visitor, behind);
  }

  /** What is the matter with a map that is being deleted, once: it is nobody's, and need not be there. */
  #tellUnfit(id: number, kind: 'page-shared' | 'slot-shared' | 'slot-outside', sentence: string, where: Where): void {
    if (!this.unfit.has(id)) this.#unfitFindings.add(kind, sentence, where, 'repair');
    this.unfit.add(id);
  }

  #tellDamagedPage(name: string, page: number, first: number, end: number, where: Where, isDead = false): void {
    this.isPartial = true;
    const bytesEach = entriesEach * this.#pool.superblock.chunkSizeBytes;
    const offset = first * bytesEach;
    const length = (end - first) * bytesEach;
    const sentence = `page ${page} of the map of ${name} is missing or damaged: where its bytes ${offset} to ${offset + length} are is not known`;
    const findings = isDead ? this.#unfitFindings : this.#findings;
    findings.add('page-damaged', sentence, { page, ...where, offset, length }, isDead ? 'repair' : 'none');
  }

  /** Whoever has that page in front of him takes it for one that only the snapshot has, or that only he has. */
  #tellLate(state: State, page: number): void {
    this.isDoubtful = true;
    const sentence = `page ${page} of the map of ${nameOfOwner(state)} came behind the snapshot that has it: it is another's`;
    this.#findings.add('page-shared', sentence, { page, ...whereOf(state) });
  }

  #born(birth: number): void {
    this.highestBirth = Math.max(this.highestBirth, birth);
  }

  /** Counts a page that is referred to; false where it was before. */
  #meet(page: number, birth: number, by: string): boolean {
    this.#born(birth);
    if (this.#pages.see(page) !== 'again') return true;
    this.isDoubtful = true;
    this.#findings.add('page-shared', `page ${page} is referred to twice, the second time by ${by}`, { page });
    return false;
  }

  /** Gives what the leaf has more than the one in front of it, nothing where that is not known. */
  async #takeLeaf(
    state: State,
    index: number,
    { view }: Page,
    beside: Page | 'unknown' | undefined,
  ): Promise<MapCounts | undefined> {
    let counted = noBlocks;
    const pieces: Piece[] = [];
    for (let at = 0; at < entriesEach; at += 1) {
      const entry = readEntry(view, at);
      const chunk = index * entriesEach + at;
      this.#checkEntry(state, chunk, entry, state.record.sizeBytes);
      if (beside === 'unknown') continue;
      const before = beside === undefined ? emptyEntry : readEntry(beside.view, at);
      counted = sum(counted, difference(countsOf(entry), countsOf(before)));
      const wrong = checkShared(entry, before);
      if (wrong !== undefined) this.#tellEntry(state, chunk, wrong);
      for (const piece of entry.pieces) {
        if (before.pieces.some(({ slot }) => slot === piece.slot)) continue;
        this.#meetSlot(state, chunk, piece);
        pieces.push(piece);
      }
    }
    await this.#verify?.(state, pieces);
    return beside === 'unknown' ? undefined : counted;
  }

  /** Counts a slot that is referred to; false where it was before. `isPerhapsShared`: a state in front may have it too. */
  #meetSlot(owner: Owner, chunk: number, { slot, birth }: Piece, isPerhapsShared = false): boolean {
    this.#born(birth);
    const placed = this.#placed.get(slot);
    if (placed !== undefined && (placed.object !== owner.object || placed.chunk !== chunk)) {
      this.isDoubtful = true;
      const sentence = `slot ${slot} is that of chunk ${chunk} of ${nameOfOwner(owner)}, and the journal has put chunk ${placed.chunk} of object ${placed.object} there`;
      this.#findings.add('slot-shared', sentence, { slot });
      return true;
    }
    const met = this.#slots.see(slot);
    if (met === 'first') return true;
    if (met === 'again' && isPerhapsShared) return false;
    this.isDoubtful = true;
    if (met === 'again' && this.#shared.size < mostShared) this.#shared.add(slot);
    else if (met === 'again') {
      const sentence = `slot ${slot} is referred to twice, the second time by chunk ${chunk} of ${nameOfOwner(owner)}`;
      this.#findings.add('slot-shared', sentence, { slot });
    } else {
      const sentence = `chunk ${chunk} of ${nameOfOwner(owner)} is said to lie in slot ${slot}, which no data file has`;
      this.#findings.add('slot-outside', sentence, { ...whereOf(owner), chunk, slot });
    }
    return false;
  }

  #checkEntry(owner: Owner, chunk: number, entry: ChunkEntry, sizeBytes: number): void {
    const { chunkSizeBytes } = this.#pool.superblock;
    const inside = Math.max(
      0,
      Math.min(this.#pool.blocksEach, Math.ceil((sizeBytes - chunk * chunkSizeBytes) / blockSize)),
    );
    const wrong = checkEntry(entry, inside);
    if (wrong !== undefined) this.#tellEntry(owner, chunk, wrong);
  }

  #tellEntry(owner: Owner, chunk: number, wrong: string): void {
    this.isDoubtful = true;
    this.#findings.add('entry-wrong', `chunk ${chunk} of ${nameOfOwner(owner)} ${wrong}`, { ...whereOf(owner), chunk });
  }

  async #tellShared(): Promise<void> {
    if (this.#shared.size === 0) return;
    for (const [slot, referrers] of await referrersOf(this.#pool, this.#shared)) {
      const living = referrers.filter(({ isDead }) => !isDead);
      const places = living.map(({ chunk, ...by }) => `chunk ${chunk} of ${nameOfOwner(by)}`);
      const sentence = `slot ${slot} is referred to ${places.length} times: ${places.join(', ')}`;
      this.#findings.add('slot-shared', sentence, { slot, count: places.length });
    }
  }
}

function countsIn({ view }: Page): MapCounts {
  let counted = noBlocks;
  for (let at = 0; at < entriesEach; at += 1) counted = sum(counted, countsOf(readEntry(view, at)));
  return counted;
}
