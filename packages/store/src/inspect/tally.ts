import type { RecordChange } from '@ashlar/core';
import { bitmapKey, deadKey, packedChange, poolKey, sealed } from '../records/keys.ts';
import { Census, spanOf } from './census.ts';
import { Findings } from './findings.ts';
import type { JournalView } from './journal-view.ts';
import type { PoolFiles } from './pool-files.ts';
import { checkRecords, tellDamagedBitmap, tellLow, type Named, type RecordFacts } from './record-check.ts';
import { recordRows } from './record-rows.ts';
import { Survey, type Passed, type Placed, type Verify } from './survey.ts';

type TallyOptions = {
  readonly named: Named;
  /** Without it no data is read. */
  readonly verify: Verify | undefined;
  /** Told before the maps are walked: slots that are on record as in use. */
  readonly begun: (slots: number) => void;
};

/** What records, maps and journal of a pool say of who has what. */
export type Tally = {
  readonly findings: Findings;
  /** What the records should say, where they say something else: one commit mends all that can be. */
  readonly changes: readonly RecordChange[];
};

/**
 * Adds up what records, maps and journal say of who has what, and tells where they do not agree. What is nobody's and does not fit is told, and
 * the rest is added up as it is without that: others may come to light that had stood behind it. Changes nothing.
 */
export async function tallyPool(pool: PoolFiles, journal: JournalView, options: TallyOptions): Promise<Tally> {
  const placed = placedBy(journal);
  const unfit = new Findings();
  let { verify } = options;
  for (let passed: Passed = { dead: new Set(), stores: new Set() }; ;) {
    const findings = new Findings();
    const counts = { slots: new Census(pool.data.end), pages: new Census(pool.pages.end) };
    const facts = checkRecords(pool, journal, options.named, findings, counts);
    if (verify !== undefined) options.begun(counts.slots.claimedCount);
    const survey = new Survey(pool, findings, unfit, counts, placed, verify);
    await survey.run(passed);
    const dead = new Set([...passed.dead, ...survey.unfit, ...facts.damagedDead]);
    if (dead.size === passed.dead.size && facts.strayStores.size === passed.stores.size) {
      const changes = changesFor({ pool, findings, counts, facts, placed, survey });
      unfit.join(findings);
      return { findings: unfit, changes: [...changes, ...removed(pool, passed)] };
    }
    passed = { dead, stores: facts.strayStores };
    // Maps that somebody has were walked, and are the same.
    verify = undefined;
  }
}

type Counts = { readonly slots: Census; readonly pages: Census };

type Added = {
  readonly pool: PoolFiles;
  readonly findings: Findings;
  readonly counts: Counts;
  readonly facts: RecordFacts;
  readonly placed: ReadonlyMap<number, Placed>;
  readonly survey: Survey;
};

/** Tells what does not agree, and gives what the records should say. */
function changesFor({ pool, findings, counts, facts, placed, survey }: Added): RecordChange[] {
  const isPartial = facts.isPartial || survey.isPartial;
  const frees = !isPartial && !survey.isDoubtful && !facts.isDoubtful;
  const recounted = survey.counts.wrong(findings, survey.isDoubtful);
  tellCounts(findings, counts, { isPartial, frees });
  tellOutside(findings, facts, frees);
  const highestBirth = Math.max(survey.highestBirth, facts.highestBirth);
  const birth = pool.record?.birth ?? highestBirth;
  if (birth < highestBirth) tellLow(findings, 'birth', birth + 1, highestBirth + 1);
  return [
    ...recounted.map(({ key, record }) => packedChange(key, record)),
    ...correctedBitmaps(counts, facts, placed, frees),
    ...facts.journaled,
    ...numbersOf(pool, facts, highestBirth),
  ];
}

/** Slots that the next start takes from the journal. */
function placedBy(journal: JournalView): Map<number, Placed> {
  const placed = new Map<number, Placed>();
  for (const { record } of journal.taken()) {
    if (record.kind === 'slots') placed.set(record.slot, { object: record.object, chunk: record.chunk });
  }
  return placed;
}

/** What is in use and referred to by nothing, and the other way round. */
function tellCounts(
  findings: Findings,
  counts: Counts,
  { isPartial, frees }: { readonly isPartial: boolean; readonly frees: boolean },
): void {
  for (const kind of ['slots', 'pages'] as const) {
    const census = counts[kind];
    const what = kind === 'slots' ? 'slot' : 'page';
    for (const index of census.lost)
      tellDamagedBitmap(findings, { kind, index }, census.has(index) || frees ? 'repair' : 'none', frees);
    for (const run of census.unclaimed()) {
      const sentence = `${kind} ${spanOf(run)} are referred to and on record as free: they would be written over`;
      findings.add(`${what}-not-claimed`, sentence, run, 'repair');
    }
    // What a damaged page refers to is not known, and neither is then what nothing refers to.
    if (isPartial) continue;
    for (const run of census.leaked()) {
      const sentence = `${kind} ${spanOf(run)} are in use on record and referred to by nothing: their room is lost`;
      findings.add(`${what}-leaked`, sentence, run, frees ? 'repair' : 'none');
    }
  }
}

function tellOutside(findings: Findings, { outside }: RecordFacts, frees: boolean): void {
  for (const { kind, index } of outside) {
    const sentence = `${kind} are on record as in use that the files have no place for (bitmap ${index})`;
    findings.add('slot-outside', sentence, { index }, frees ? 'repair' : 'none');
  }
}

function correctedBitmaps(
  counts: Counts,
  { outside }: RecordFacts,
  placed: ReadonlyMap<number, Placed>,
  frees: boolean,
): RecordChange[] {
  const changes: RecordChange[] = [];
  for (const kind of ['slots', 'pages'] as const) {
    const isOthers = (place: number): boolean => kind === 'slots' && placed.has(place);
    for (const { index, bitmap } of counts[kind].corrected(frees, isOthers)) {
      const key = bitmapKey(kind, index);
      changes.push({ key, value: sealed(key, bitmap) });
    }
    if (!frees) continue;
    for (const index of counts[kind].lost) {
      if (!counts[kind].has(index)) changes.push({ key: bitmapKey(kind, index), value: null });
    }
  }
  if (!frees) return changes;
  return [...changes, ...outside.map(({ kind, index }) => ({ key: bitmapKey(kind, index), value: null }))];
}

/** Numbers that the pool's record would give out again are behind it. */
function numbersOf({ record }: PoolFiles, facts: RecordFacts, highestBirth: number): RecordChange[] {
  if (record === undefined) return [];
  const nextObject = Math.max(record.nextObject, facts.nextObject);
  const nextStore = Math.max(record.nextStore, facts.nextStore);
  const birth = Math.max(record.birth, highestBirth);
  if (nextObject === record.nextObject && nextStore === record.nextStore && birth === record.birth) return [];
  return [packedChange(poolKey, { ...record, nextObject, nextStore, birth })];
}

function removed({ records }: PoolFiles, { dead, stores }: Passed): RecordChange[] {
  const changes: RecordChange[] = [...dead].map((id) => ({ key: deadKey(id), value: null }));
  if (stores.size === 0) return changes;
  for (const { kind, key, numbers } of recordRows(records)) {
    const isOfStore = kind === 'object' || kind === 'kept' || kind === 'snapshot' || kind === 'record';
    if (isOfStore && stores.has(numbers[0] ?? 0)) changes.push({ key, value: null });
  }
  return changes;
}
