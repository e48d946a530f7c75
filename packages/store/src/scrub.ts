import {
  AshlarError,
  isPromise,
  type ObjectId,
  type ScrubCommand,
  type ScrubFinding,
  type ScrubReport,
  type SnapshotId,
  type StoreId,
} from '@ashlar/core';
import { BlockCache } from './block-cache.ts';
import { blockSize } from './checksum.ts';
import { entriesEach, readEntry, runsOf } from './format/map-leaf.ts';
import { readRef, refsEach, type PageRef } from './format/page-ref.ts';
import { keptOf, rootOf } from './kept.ts';
import { PageTree } from './page-tree.ts';
import { readObject } from './read.ts';
import { keptKey } from './records/keys.ts';
import type { PoolParts, Readable } from './state.ts';
import { Turns } from './turns.ts';

/** One state of an object that is walked, and what it shares with those in front of it is not. */
type Walked = {
  readonly store: StoreId;
  readonly object: ObjectId;
  readonly snapshot: SnapshotId | undefined;
  readonly readable: Readable;
  readonly floor: number;
  /** It has not been deleted meanwhile. */
  readonly isThere: () => boolean;
};

const mostFindings = 1000;
/** Runs that are read at once. */
const readsAtOnce = 8;

/** A checkpoint committed while a map was walked: the walk goes on in the new one. */
const moved = Symbol('moved');

/**
 * Reads everything that is home from the disk, past every cache, and verifies it, while volumes are served: each page and each slot once, however many
 * snapshots have it.
 */
export class Scrub {
  readonly #pool: PoolParts;
  /** The same pool without a cache of blocks. */
  readonly #uncached: PoolParts;
  #state: ScrubReport['state'] = 'never';
  #startedMs: number | undefined;
  #endedMs: number | undefined;
  #doneBytes = 0;
  #totalBytes = 0;
  #damagedBytes = 0;
  #damagedPages = 0;
  #findings: ScrubFinding[] = [];
  #bytesPerSecond = Infinity;
  /** Bytes and time from which on the rate counts. */
  #paced = { bytes: 0, ms: 0 };
  #running: Promise<void> | undefined;
  /** Ends the wait of one that is paused, or ahead of its rate. */
  #wake: (() => void) | undefined;

  constructor(pool: PoolParts) {
    this.#pool = pool;
    this.#uncached = { ...pool, cache: new BlockCache(pool.host, 0, pool.blocksEach) };
  }

  get report(): ScrubReport {
    return {
      state: this.#state,
      startedMs: this.#startedMs,
      endedMs: this.#endedMs,
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      findings: this.#findings,
      damagedBytes: this.#damagedBytes,
      damagedPages: this.#damagedPages,
    };
  }

  /** Throws `busy` for a start while one runs or is paused. */
  async obey({ action, bytesPerSecond }: ScrubCommand): Promise<ScrubReport> {
    if (action === 'start') this.#start(bytesPerSecond);
    else if (action === 'pause') this.#pause();
    else if (action === 'resume') this.#goOn(bytesPerSecond);
    else if (action === 'stop') await this.stop();
    return this.report;
  }

  #start(bytesPerSecond = Infinity): void {
    if (this.#running !== undefined) throw new AshlarError('busy', 'a scrub is under way: pause, resume or stop it');
    const { clock } = this.#pool.host;
    this.#state = 'running';
    this.#startedMs = clock.wallMs();
    this.#endedMs = undefined;
    this.#doneBytes = this.#damagedBytes = this.#damagedPages = 0;
    this.#findings = [];
    this.#totalBytes = this.#pool.slots.liveCount * this.#pool.chunkSizeBytes;
    this.#setRate(bytesPerSecond);
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      this.#endedMs = clock.wallMs();
      if (this.#state === 'running') this.#state = 'done';
    });
  }

  #pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  #goOn(bytesPerSecond = this.#bytesPerSecond): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    this.#setRate(bytesPerSecond);
    this.#wake?.();
  }

  /** Settles when nothing of it is under way any more. */
  async stop(): Promise<void> {
    if (this.#running === undefined) return;
    this.#state = 'stopped';
    this.#wake?.();
    await this.#running;
  }

  #setRate(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
    this.#paced = { bytes: this.#doneBytes, ms: this.#pool.host.clock.monotonicMs() };
  }

  async #run(): Promise<void> {
    const turns = new Turns(this.#pool.host);
    for (const state of this.#states()) {
      for (let from = 0; this.#state !== 'stopped';) {
        const end = await this.#walk(state, from, turns);
        if (end === undefined) break;
        from = end;
      }
      if (this.#state === 'stopped') return;
    }
  }

  /** The states of each object, the oldest first; those that come or go meanwhile are met or not. */
  *#states(): Generator<Walked> {
    for (const store of this.#pool.stores.values()) {
      for (const object of store.objects.values()) {
        let { floor } = store;
        for (const { snapshot, record } of keptOf(this.#pool, store.id, object.id)) {
          const tree = new PageTree(this.#pool.pages, rootOf(record));
          const readable = { store: store.id, sizeBytes: record.sizeBytes, tree, overlay: noOverlay };
          const isThere = (): boolean => this.#pool.records.get(keptKey(store.id, object.id, snapshot)) !== undefined;
          yield { store: store.id, object: object.id, snapshot, readable, floor, isThere };
          floor = store.snapshots.find(({ id }) => id === snapshot)?.birth ?? floor;
        }
        const isThere = (): boolean => this.#pool.stores.get(store.id)?.objects.get(object.id) === object;
        yield { store: store.id, object: object.id, snapshot: undefined, readable: object, floor, isThere };
      }
    }
  }

  /** From that leaf on. Gives where to go on where a checkpoint committed meanwhile, nothing when it is done. */
  async #walk(state: Walked, from: number, turns: Turns): Promise<number | undefined> {
    const { tree } = state.readable;
    const { root } = tree;
    let next = from;
    const visit = async (ref: PageRef, level: number, first: number): Promise<typeof moved | undefined> => {
      const end = first + refsEach ** level;
      if (end <= next || ref.birth <= state.floor || this.#state === 'stopped' || !state.isThere()) return undefined;
      if (tree.root !== root) return moved;
      if (turns.isOver) await turns.next();
      const isWhole = await this.#pool.pages.verify(ref);
      if (tree.root !== root) return moved;
      if (!isWhole && state.isThere()) this.#damagedPages += 1;
      if (!isWhole) return undefined;
      const { view } = await this.#pool.pages.read(ref);
      if (level === 0) {
        await this.#verifyLeaf(state, first, view);
        next = end;
        return undefined;
      }
      for (let index = 0; index < refsEach; index += 1) {
        const below = readRef(view, index);
        if (below === undefined) continue;
        if ((await visit(below, level - 1, first + index * refsEach ** (level - 1))) === moved) return moved;
      }
      return undefined;
    };
    if (root.ref === undefined) return undefined;
    return (await visit(root.ref, root.levels, 0)) === moved ? next : undefined;
  }

  async #verifyLeaf(state: Walked, leaf: number, view: DataView): Promise<void> {
    const runs: { readonly offset: number; readonly length: number }[] = [];
    for (let at = 0; at < entriesEach; at += 1) {
      const start = (leaf * entriesEach + at) * this.#pool.chunkSizeBytes;
      for (const piece of readEntry(view, at).pieces) {
        if (piece.birth <= state.floor) continue;
        for (const { block, blocks } of runsOf(piece, this.#pool.blocksEach)) {
          runs.push({ offset: start + block * blockSize, length: blocks * blockSize });
        }
      }
    }
    for (let at = 0; at < runs.length; at += readsAtOnce) {
      if (this.#state === 'paused') await new Promise<void>((resolve) => (this.#wake = resolve));
      if (this.#state === 'stopped') return;
      await Promise.all(runs.slice(at, at + readsAtOnce).map((run) => this.#verify(state, run.offset, run.length)));
      await this.#pace();
    }
  }

  /** Reads as a client would, so that what is overwritten or trimmed meanwhile is no damage. */
  async #verify(state: Walked, offset: number, length: number): Promise<void> {
    if (await this.#reads(state, offset, length)) {
      this.#doneBytes += length;
      return;
    }
    for (let at = offset; at < offset + length; at += blockSize) {
      this.#doneBytes += blockSize;
      if ((await this.#reads(state, at, blockSize)) || !state.isThere()) continue;
      this.#damagedBytes += blockSize;
      const { store, object, snapshot } = state;
      const last = this.#findings.at(-1);
      if (
        last?.object === object &&
        last.store === store &&
        last.snapshot === snapshot &&
        last.offset + last.length === at
      ) {
        this.#findings[this.#findings.length - 1] = { ...last, length: last.length + blockSize };
      } else if (this.#findings.length < mostFindings) {
        this.#findings.push({ store, object, snapshot, offset: at, length: blockSize });
      }
    }
  }

  async #reads({ readable }: Walked, offset: number, length: number): Promise<boolean> {
    try {
      const done = this.#pool.scratch.use(length, (memory) =>
        readObject(this.#uncached, readable, offset, memory.subarray(0, length)),
      );
      if (isPromise(done)) await done;
      return true;
    } catch (error) {
      if (error instanceof AshlarError && (error.kind === 'corrupt' || error.kind === 'io')) return false;
      throw error;
    }
  }

  /** Waits where it is ahead of its rate. */
  async #pace(): Promise<void> {
    const { clock, scheduler } = this.#pool.host;
    const dueMs = ((this.#doneBytes - this.#paced.bytes) / this.#bytesPerSecond) * 1000;
    const aheadMs = dueMs - (clock.monotonicMs() - this.#paced.ms);
    if (aheadMs <= 1 || this.#state !== 'running') return;
    await new Promise<void>((resolve) => {
      const timer = scheduler.after(aheadMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

const noOverlay: Readable['overlay'] = {
  isEmpty: true,
  has: () => false,
  *layers() {},
  layerOf: () => undefined,
};
