import { assert } from './assert.ts';
import { GiB, KiB, MiB } from './units.ts';

/** Something that may have to wait for its turn. Whoever submits it bounds how many there are. */
export interface Turn {
  /** Bytes that it moves, and at least `leastCost`. Above 0 from `submit` to `ended`. */
  cost: number;
  /** Behind it in its flow, while it waits: no memory is taken for a queue. */
  behind: Turn | undefined;
  /** Its turn has come. Does not throw. */
  begin(): void;
}

/** What moves no bytes takes its time as well. */
const leastCost = 4 * KiB;
/** What all flows together have under way while they compete: enough for a disk, and little to wait behind. */
const windowBytes = 4 * MiB;
/** What each may have under way whatever the others have: theirs may be held back by a limit, or by a disk that hangs. */
const ownBytes = MiB;
/** What a flow may begin each time it is its turn. */
const quantumBytes = MiB;
/** Flows compete as long as this much has not been begun since two of them were last heard of. */
const rememberedBytes = GiB / 4;

/** The cost of something that moves so many bytes. */
export const costOf = (bytes: number): number => Math.max(bytes, leastCost);

/**
 * Shares a thread and its disks between flows (volumes): deficit round robin by bytes. While only one of them is heard of all of
 * it begins at once, for the price of an addition. While several are, what they have under way together is bounded, each may
 * always have one thing under way, and who gets what becomes free is decided by turns of a quantum.
 */
export class FairQueue {
  /** Flows with something that waits. */
  readonly #waiting: Flow[] = [];
  #at = 0;
  #underWay = 0;
  #begun = 0;
  #current: Flow | undefined;
  #competingUntil = 0;
  #pumping = false;

  /** A volume's share. */
  flow(): Flow {
    return new Flow(this);
  }

  /** Whether something of the flow that has nothing waiting may begin now. */
  mayBegin(flow: Flow, cost: number): boolean {
    if (flow !== this.#current) {
      if (this.#current !== undefined) this.#competingUntil = this.#begun + rememberedBytes;
      this.#current = flow;
    }
    return this.#begun >= this.#competingUntil || this.#underWay + cost <= windowBytes || isOwn(flow, cost);
  }

  began(cost: number): void {
    this.#underWay += cost;
    this.#begun += cost;
  }

  waits(flow: Flow): void {
    this.#waiting.push(flow);
  }

  /** Something has ended: what waits may begin in its place. */
  ended(cost: number): void {
    this.#underWay -= cost;
    assert(this.#underWay >= 0, 'what ends was begun');
    if (this.#waiting.length > 0) this.#pump();
  }

  /** What is begun may end at once: then this loop, and not one within it, goes on. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    for (let flow = this.#next(); flow !== undefined; flow = this.#next()) {
      if (!flow.beginFirst()) this.#leave(flow);
    }
    this.#pumping = false;
  }

  /** The flow whose first may begin: by turns where there is room, else one that has not what is its own. */
  #next(): Flow | undefined {
    if (this.#waiting.length === 0) return undefined;
    const chosen = this.#byTurns();
    if (this.#underWay + chosen.firstCost <= windowBytes) return chosen;
    return this.#waiting.find((flow) => isOwn(flow, flow.firstCost));
  }

  #byTurns(): Flow {
    for (;;) {
      const flow = this.#waiting[this.#at];
      assert(flow !== undefined, 'the turn is that of a flow that waits');
      if (flow.deficit >= flow.firstCost) return flow;
      flow.deficit += quantumBytes;
      this.#at = (this.#at + 1) % this.#waiting.length;
    }
  }

  /** Nothing of it waits any more. */
  #leave(flow: Flow): void {
    const index = this.#waiting.indexOf(flow);
    this.#waiting.splice(index, 1);
    if (index < this.#at) this.#at -= 1;
    if (this.#at >= this.#waiting.length) this.#at = 0;
    flow.deficit = 0;
  }
}

/** One thing at least, however large. */
const isOwn = ({ underWay }: Flow, cost: number): boolean => underWay === 0 || underWay + cost <= ownBytes;

/** What belongs to one volume, of all of its connections. */
export class Flow {
  readonly #queue: FairQueue;
  #first: Turn | undefined;
  #last: Turn | undefined;
  /** Bytes that were begun and have not ended. */
  underWay = 0;
  /** Bytes that it may begin before it is another one's turn. */
  deficit = 0;

  constructor(queue: FairQueue) {
    this.#queue = queue;
  }

  get firstCost(): number {
    return this.#first?.cost ?? 0;
  }

  /** Begins it now, or behind what waits when its turn comes. */
  submit(turn: Turn): void {
    assert(turn.cost > 0, 'everything takes its time');
    if (this.#first === undefined && this.#queue.mayBegin(this, turn.cost)) {
      this.#begin(turn);
      return;
    }
    if (this.#last === undefined) {
      this.#first = turn;
      this.#queue.waits(this);
    } else this.#last.behind = turn;
    this.#last = turn;
  }

  /** What cost that much has ended. */
  ended(cost: number): void {
    this.underWay -= cost;
    assert(this.underWay >= 0, 'what ends was begun');
    this.#queue.ended(cost);
  }

  /** Begins the first that waits; false where it was the last. */
  beginFirst(): boolean {
    const turn = this.#first;
    assert(turn !== undefined, 'a flow whose turn it is has something that waits');
    this.#first = turn.behind;
    turn.behind = undefined;
    const hasMore = this.#first !== undefined;
    if (!hasMore) this.#last = undefined;
    this.deficit -= turn.cost;
    this.#begin(turn);
    return hasMore;
  }

  #begin(turn: Turn): void {
    this.underWay += turn.cost;
    this.#queue.began(turn.cost);
    turn.begin();
  }
}
