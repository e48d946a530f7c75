import {
  allDone,
  AshlarError,
  errorKindOf,
  FairQueue,
  type Flow,
  type RecordChange,
  type RecordsWalk,
  type ScrubCommand,
  type ScrubFinding,
  type ScrubReport,
  type Timer,
} from '@ashlar/core';
import { getPacked, packedChange, scrubKey } from '../records/keys.ts';
import type { PoolParts } from '../state.ts';
import { Turns } from '../turns.ts';
import { Gate } from './gate.ts';
import { newScrubRecord, noScrub, type ScrubRecord } from './record.ts';
import { SlotSweep } from './slot-sweep.ts';
import { firstLeafOf, walkedFrom, type Place, type WalkedState } from './walked.ts';
import { walkPages } from './walk-pages.ts';

const mostFindings = 1000;
/** How far it is goes on record so often at the most. */
const saveMs = 5000;
/** How long after a start it goes on: what else is to be done then comes first. */
const restartMs = 5000;
/** How long after a start the database is looked at, where it must be. */
const suspicionMs = 1000;

type ScrubOptions = {
  /** Makes a change of the pool's own records durable. */
  readonly commit: (change: RecordChange) => Promise<void>;
  /** Its share beside the volumes that are served. */
  readonly flow: Flow | undefined;
  /** Data that is gathered before it is read. */
  readonly sweepBytes: number;
  /** The database is not the one that was looked at. */
  readonly isAnew: boolean;
  /** The process before this one was killed, and nobody has looked at the database since. */
  readonly isSuspect: boolean;
};

/**
 * Reads everything that is home from the disk, past every cache, and verifies it, while volumes are served: each record, each page and
 * each block once, however many snapshots have it. Where it is goes on record: what a restart interrupts goes on behind it.
 */
export class Scrub {
  readonly #pool: PoolParts;
  readonly #commit: ScrubOptions['commit'];
  readonly #flow: Flow;
  readonly #sweepBytes: number;
  #report: ScrubReport;
  /** Where it is, and what it had found there: what goes on record. */
  #saved: ScrubRecord;
  #savedMs = 0;
  #gate: Gate;
  #running: Promise<void> | undefined;
  /** Ends the look at the records. */
  #looking = new AbortController();
  #suspicion: Timer | undefined;
  #look: Promise<unknown> | undefined;

  constructor(pool: PoolParts, { commit, flow = new FairQueue().flow(), sweepBytes, isAnew, isSuspect }: ScrubOptions) {
    this.#pool = pool;
    this.#commit = commit;
    this.#flow = flow;
    this.#sweepBytes = sweepBytes;
    this.#gate = new Gate(pool.host);
    const saved = savedIn(pool);
    this.#saved = isAnew ? { ...saved, records: undefined } : saved;
    const { place, ...report } = this.#saved;
    this.#report = report;
    if (report.records !== undefined) this.#note(report.records);
    if (report.state === 'running' || report.state === 'paused') {
      this.#set({ interruptions: report.interruptions + 1 });
      this.#begin(place, restartMs, isSuspect);
    } else if (isSuspect && pool.records.canBeCopied) this.#suspect();
  }

  get report(): ScrubReport {
    return this.#report;
  }

  async obey({ action, bytesPerSecond }: ScrubCommand): Promise<ScrubReport> {
    if (action === 'status') return this.#report;
    if (action === 'start') this.#start(bytesPerSecond);
    else this.#refuseNothing(action);
    if (action === 'pause') this.#pause();
    else if (action === 'resume') this.#resume(bytesPerSecond);
    else if (action === 'rate') this.#setRate(bytesPerSecond);
    else if (action === 'stop') await this.#end('stopped');
    await this.#save();
    return this.#report;
  }

  /** Ends what is under way; it goes on when the pool is opened again. */
  async close(): Promise<void> {
    this.#suspicion?.cancel();
    const goesOn = this.#running !== undefined;
    await this.#end(undefined);
    await this.#look;
    if (goesOn) await this.#save();
  }

  #refuseNothing(action: string): void {
    if (this.#running !== undefined) return;
    const what = action === 'rate' ? 'set the rate of' : action;
    throw new AshlarError(
      'not-found',
      `no scrub is under way, so there is none to ${what}: 'ashlar scrub start' begins one`,
    );
  }

  #start(bytesPerSecond: number | null | undefined): void {
    if (this.#running !== undefined) {
      const state = this.#report.state === 'paused' ? 'is paused' : 'is under way';
      throw new AshlarError(
        'busy',
        `a scrub ${state} already: 'ashlar scrub resume' and 'ashlar scrub stop' are for it`,
      );
    }
    this.#suspicion?.cancel();
    const { sinceMs, completedMs } = this.#report;
    this.#set({
      ...noScrub(sinceMs),
      state: 'running',
      startedMs: this.#pool.host.clock.wallMs(),
      completedMs,
      bytesPerSecond: bytesPerSecond ?? undefined,
      totalBytes: this.#pool.slots.liveCount * this.#pool.chunkSizeBytes,
    });
    this.#reach(undefined);
    this.#begin(undefined, 0, true);
  }

  /** Goes on at a place, not before so long. `looks`: at the records, though it has. */
  #begin(place: Place | undefined, delayMs: number, looks: boolean): void {
    const gate = new Gate(this.#pool.host);
    this.#gate = gate;
    this.#looking = new AbortController();
    gate.setRate(this.#report.bytesPerSecond ?? Infinity);
    gate.hold(delayMs);
    if (this.#report.state === 'paused') gate.shut();
    this.#running = this.#run(place, looks || this.#report.records === undefined).then(
      () => (gate.hasEnded ? undefined : this.#ended('done')),
      (error: unknown) => this.#fail(error),
    );
  }

  #pause(): void {
    if (this.#report.state === 'paused') {
      throw new AshlarError('busy', "the scrub is paused already: 'ashlar scrub resume' lets it go on");
    }
    this.#set({ state: 'paused' });
    this.#gate.shut();
  }

  #resume(bytesPerSecond: number | null | undefined): void {
    if (this.#report.state !== 'paused') {
      throw new AshlarError('busy', "the scrub is not paused: 'ashlar scrub status' shows how far it is");
    }
    if (bytesPerSecond !== undefined) this.#setRate(bytesPerSecond);
    this.#set({ state: 'running' });
    this.#gate.open();
  }

  #setRate(bytesPerSecond: number | null | undefined): void {
    this.#set({ bytesPerSecond: bytesPerSecond ?? undefined });
    this.#gate.setRate(bytesPerSecond ?? Infinity);
  }

  /** Settles when nothing of it is under way any more; without a state it is as it was. */
  async #end(state: 'stopped' | undefined): Promise<void> {
    this.#gate.end();
    this.#looking.abort();
    await this.#running;
    this.#running = undefined;
    if (state === undefined) return;
    this.#set({ state, endedMs: this.#pool.host.clock.wallMs() });
    this.#reach(undefined);
  }

  async #ended(state: 'done' | 'failed', reason?: string): Promise<void> {
    const endedMs = this.#pool.host.clock.wallMs();
    this.#set({ state, reason, endedMs, ...(state === 'done' ? { completedMs: endedMs } : {}) });
    this.#reach(undefined);
    this.#running = undefined;
    await this.#save();
  }

  #fail(error: unknown): Promise<void> {
    if (!(error instanceof AshlarError)) throw error;
    return this.#ended('failed', error.message);
  }

  #set(change: Partial<ScrubReport>): void {
    this.#report = { ...this.#report, ...change };
  }

  /** All in front of a place is done: nothing of it is done, or counted, again. */
  #reach(place: Place | undefined): void {
    this.#saved = { ...this.#report, place };
  }

  /** What cannot be put on record, as on a full disk, is later. */
  async #save(): Promise<void> {
    const { state, reason, startedMs, endedMs, completedMs, bytesPerSecond, interruptions } = this.#report;
    this.#saved = { ...this.#saved, state, reason, startedMs, endedMs, completedMs, bytesPerSecond, interruptions };
    this.#savedMs = this.#pool.host.clock.monotonicMs();
    try {
      await this.#commit(packedChange(scrubKey, this.#saved));
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
    }
  }

  async #run(from: Place | undefined, looks: boolean): Promise<void> {
    const gate = this.#gate;
    if (!(await gate.pass(0))) return;
    await this.#look;
    await allDone([looks ? this.#lookAtRecords() : undefined, this.#walk(gate, from)]);
  }

  async #walk(gate: Gate, from: Place | undefined): Promise<void> {
    const turns = new Turns(this.#pool.host);
    const sweep = new SlotSweep({
      pool: this.#pool,
      gate,
      turns,
      flow: this.#flow,
      mostBytes: this.#sweepBytes,
      done: (bytes) => this.#set({ doneBytes: this.#report.doneBytes + bytes }),
      damaged: (state, offset, length) => this.#found(state, offset, length),
    });
    /** Everything up to there is read; behind it some may be. */
    const reach = async (place: Place): Promise<void> => {
      await sweep.run();
      if (gate.hasEnded) return;
      this.#reach(place);
      if (this.#pool.host.clock.monotonicMs() - this.#savedMs >= saveMs) await this.#save();
    };
    for (const walked of walkedFrom(this.#pool, from)) {
      await walkPages(walked, firstLeafOf(walked, from), {
        pages: this.#pool.pages,
        gate,
        turns,
        damaged: () => this.#set({ damagedPages: this.#report.damagedPages + 1 }),
        leaf: async (view, index) => {
          const { state, floor, place } = walked;
          if (state === undefined) return;
          sweep.add(state, floor, view, index);
          if (sweep.isFull) await reach({ ...place, leaf: index + 1 });
        },
      });
      if (gate.hasEnded) return;
    }
    await sweep.run();
  }

  async #lookAtRecords(): Promise<void> {
    const { records, path } = this.#pool;
    const walk = await records.look(path, this.#looking.signal);
    if (walk === undefined) return;
    await records.verifyLog();
    if (walk.damaged > 0) records.doubted();
    else if (walk.reason === undefined) await records.seen();
    this.#set({ records: walk });
    this.#note(walk);
  }

  #note({ damaged, reason }: RecordsWalk): void {
    // What could not be looked at is as it was known to be.
    if (damaged === 0 && reason !== undefined) return;
    this.#pool.counters.damagedRecords = damaged;
    if (damaged === 0 || this.#pool.state !== 'ok') return;
    this.#pool.state = 'degraded';
    this.#pool.reason = `${damaged} records of the pool's database are damaged: restart the server, which makes it anew of its log`;
  }

  /** What a killed process left is looked at without a scrub, when all else that a start has to do is done. */
  #suspect(): void {
    this.#suspicion = this.#pool.host.scheduler.after(suspicionMs, () => {
      this.#look = this.#lookAtRecords().then(() => {
        if (this.#running !== undefined) return undefined;
        this.#reach(undefined);
        return this.#save();
      });
    });
  }

  #found({ store, object, snapshot }: WalkedState, offset: number, length: number): void {
    const { damagedBytes, findings } = this.#report;
    const found = { store, object, snapshot, offset, length };
    this.#set({ damagedBytes: damagedBytes + length, findings: withFinding(findings, found) });
  }
}

function savedIn({ records }: PoolParts): ScrubRecord {
  try {
    return unpacked(getPacked<ScrubRecord>(records, scrubKey) ?? newScrubRecord(0));
  } catch (error) {
    // How far a scrub was is no reason to refuse a pool: the next one begins anew.
    if (errorKindOf(error) !== 'corrupt') throw error;
    return newScrubRecord(0);
  }
}

/** What was packed as undefined may come back as null. */
function unpacked(record: ScrubRecord): ScrubRecord {
  const { findings, records, ...others } = record;
  const defined = Object.fromEntries(Object.entries(others).map(([name, value]) => [name, value ?? undefined]));
  return {
    ...(defined as Omit<ScrubRecord, 'findings' | 'records'>),
    findings: findings.map((each) => ({ ...each, snapshot: each.snapshot ?? undefined })),
    records:
      records === undefined || records === null ? undefined : { ...records, reason: records.reason ?? undefined },
  };
}

/** In their order, neighbours joined; of many only those that were found first. */
function withFinding(findings: readonly ScrubFinding[], found: ScrubFinding): readonly ScrubFinding[] {
  const joined: ScrubFinding[] = [];
  for (const next of [...findings, found].sort(compareFindings)) {
    const last = joined.at(-1);
    const isNeighbour =
      last !== undefined && compareOwners(last, next) === 0 && last.offset + last.length === next.offset;
    if (isNeighbour) joined[joined.length - 1] = { ...last, length: last.length + next.length };
    else joined.push(next);
  }
  return joined.length > mostFindings ? findings : joined;
}

const compareOwners = (one: ScrubFinding, other: ScrubFinding): number =>
  one.store - other.store ||
  one.object - other.object ||
  (one.snapshot ?? Infinity) - (other.snapshot ?? Infinity) ||
  0;

const compareFindings = (one: ScrubFinding, other: ScrubFinding): number =>
  compareOwners(one, other) || one.offset - other.offset;
