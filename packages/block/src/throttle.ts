import {
  AshlarError,
  settle,
  type BlockDevice,
  type Clock,
  type Scheduler,
  type Settled,
  type Timer,
  type ZeroMode,
} from '@ashlar/core';
import { closedError } from './check.ts';
import { Layer } from './layer.ts';
import { TokenBucket } from './token-bucket.ts';

/** What is not named is not limited. A burst is a tenth of a second's worth by default. */
export type ThrottleLimit = {
  readonly operationsPerSecond?: number;
  readonly bytesPerSecond?: number;
  readonly burstOperations?: number;
  readonly burstBytes?: number;
};

/** `total` counts both directions; an operation passes every limit that it falls under. */
export type ThrottleLimits = {
  readonly total?: ThrottleLimit;
  readonly read?: ThrottleLimit;
  readonly write?: ThrottleLimit;
};

export type ThrottleOptions = {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly limits: ThrottleLimits;
  /** Operations that wait at once, 4,096 by default; one more is `busy`. */
  readonly queueLimit?: number;
};

export interface ThrottleDevice extends BlockDevice {
  /** Takes effect at once, also for what waits. */
  setLimits(limits: ThrottleLimits): void;
}

type Direction = 'read' | 'write';

type Waiting = { readonly bytes: number; readonly start: () => void; readonly refuse: (error: unknown) => void };

type Bucket = { readonly tokens: TokenBucket; readonly countsBytes: boolean };

function bucketsOf(limit: ThrottleLimit | undefined, nowMs: number): Bucket[] {
  const buckets: Bucket[] = [];
  const { operationsPerSecond, bytesPerSecond } = limit ?? {};
  if (operationsPerSecond !== undefined) {
    const burst = Math.max(1, limit?.burstOperations ?? operationsPerSecond / 10);
    buckets.push({ tokens: new TokenBucket(operationsPerSecond, burst, nowMs), countsBytes: false });
  }
  if (bytesPerSecond !== undefined) {
    const burst = Math.max(1, limit?.burstBytes ?? bytesPerSecond / 10);
    buckets.push({ tokens: new TokenBucket(bytesPerSecond, burst, nowMs), countsBytes: true });
  }
  return buckets;
}

function checkLimits(limits: ThrottleLimits): void {
  for (const [direction, limit] of Object.entries(limits)) {
    for (const [name, value] of Object.entries(limit)) {
      if (Number.isFinite(value) && value > 0) continue;
      throw new AshlarError(
        'invalid',
        `the limit ${direction}.${name} is ${value}: write a number above 0, or leave it out`,
      );
    }
  }
}

class Throttle extends Layer implements ThrottleDevice {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #queueLimit: number;
  readonly #queues: Record<Direction, Waiting[]> = { read: [], write: [] };
  #own: Record<Direction, readonly Bucket[]> = { read: [], write: [] };
  #shared: readonly Bucket[] = [];
  /** Who goes first where both could: the other one than last time. */
  #turn: Direction = 'read';
  #timer: Timer | undefined;
  #closed = false;

  constructor(below: BlockDevice, options: ThrottleOptions) {
    super(below);
    this.#clock = options.clock;
    this.#scheduler = options.scheduler;
    this.#queueLimit = options.queueLimit ?? 4096;
    this.setLimits(options.limits);
  }

  setLimits(limits: ThrottleLimits): void {
    checkLimits(limits);
    const nowMs = this.#clock.monotonicMs();
    this.#shared = bucketsOf(limits.total, nowMs);
    this.#own = { read: bucketsOf(limits.read, nowMs), write: bucketsOf(limits.write, nowMs) };
    this.#pump();
  }

  override read(offset: number, into: Uint8Array): Settled<void> {
    if (this.#mayStart('read', into.length)) return this.below.read(offset, into);
    return this.#wait('read', into.length, () => this.below.read(offset, into));
  }

  override write(offset: number, from: Uint8Array, durable: boolean): Settled<void> {
    if (this.#mayStart('write', from.length)) return this.below.write(offset, from, durable);
    return this.#wait('write', from.length, () => this.below.write(offset, from, durable));
  }

  // Trim and zero move no bytes: they count as operations only.

  override trim(offset: number, length: number, durable: boolean): Settled<void> {
    if (this.#mayStart('write', 0)) return this.below.trim(offset, length, durable);
    return this.#wait('write', 0, () => this.below.trim(offset, length, durable));
  }

  override zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void> {
    if (this.#mayStart('write', 0)) return this.below.zero(offset, length, mode, durable);
    return this.#wait('write', 0, () => this.below.zero(offset, length, mode, durable));
  }

  override compareAndWrite(offset: number, expected: Uint8Array, from: Uint8Array, durable: boolean): Settled<void> {
    if (this.#mayStart('write', from.length)) return this.below.compareAndWrite(offset, expected, from, durable);
    return this.#wait('write', from.length, () => this.below.compareAndWrite(offset, expected, from, durable));
  }

  override copyFrom(source: BlockDevice, sourceOffset: number, offset: number, length: number): Settled<void> {
    if (this.#mayStart('write', length)) return this.below.copyFrom(source, sourceOffset, offset, length);
    return this.#wait('write', length, () => this.below.copyFrom(source, sourceOffset, offset, length));
  }

  /** What waits is refused as `closed`; what has started is waited for by the device below. */
  override close(): Settled<void> {
    this.#closed = true;
    this.#timer?.cancel();
    for (const direction of ['read', 'write'] as const) {
      for (const waiting of this.#queues[direction].splice(0)) waiting.refuse(closedError(direction));
    }
    return this.below.close();
  }

  /** Takes the tokens where they are there and nobody waits for the same ones. */
  #mayStart(direction: Direction, bytes: number): boolean {
    if (this.#closed) throw closedError(direction);
    const waiting = this.#shared.length > 0 ? this.#waitingCount : this.#queues[direction].length;
    if (waiting > 0 || this.#waitMs(this.#own[direction], bytes) > 0 || this.#waitMs(this.#shared, bytes) > 0)
      return false;
    this.#take(direction, bytes);
    return true;
  }

  get #waitingCount(): number {
    return this.#queues.read.length + this.#queues.write.length;
  }

  #waitMs(buckets: readonly Bucket[], bytes: number): number {
    if (buckets.length === 0) return 0;
    const nowMs = this.#clock.monotonicMs();
    let longest = 0;
    for (const bucket of buckets)
      longest = Math.max(longest, bucket.tokens.waitMs(bucket.countsBytes ? bytes : 1, nowMs));
    return longest;
  }

  #take(direction: Direction, bytes: number): void {
    for (const bucket of this.#own[direction]) bucket.tokens.take(bucket.countsBytes ? bytes : 1);
    for (const bucket of this.#shared) bucket.tokens.take(bucket.countsBytes ? bytes : 1);
  }

  #wait(direction: Direction, bytes: number, run: () => Settled<void>): Promise<void> {
    if (this.#waitingCount >= this.#queueLimit) {
      throw new AshlarError('busy', `${this.#queueLimit} operations wait already for the throttle`, {
        operation: direction,
      });
    }
    return new Promise((resolve, reject) => {
      this.#queues[direction].push({ bytes, start: () => settle(run, resolve, reject), refuse: reject });
      this.#pump();
    });
  }

  /** Starts what may start and comes again when the next may. */
  #pump(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    let waitMs = this.#startNext();
    while (waitMs === 0) waitMs = this.#startNext();
    if (waitMs !== undefined) this.#timer = this.#scheduler.after(Math.ceil(waitMs), () => this.#pump());
  }

  /**
   * Starts the first of the direction whose turn it is, or of the other one where that one waits for its own limit. Gives 0
   * when one started, else how long the next must wait, or nothing when nobody waits. The one whose turn it is is never
   * overtaken at the shared limit.
   */
  #startNext(): number | undefined {
    let soonest: number | undefined;
    for (const direction of this.#turn === 'read' ? (['read', 'write'] as const) : (['write', 'read'] as const)) {
      const first = this.#queues[direction][0];
      if (first === undefined) continue;
      const ownMs = this.#waitMs(this.#own[direction], first.bytes);
      if (ownMs > 0) {
        soonest = Math.min(soonest ?? ownMs, ownMs);
        continue;
      }
      const sharedMs = this.#waitMs(this.#shared, first.bytes);
      if (sharedMs > 0) return Math.min(soonest ?? sharedMs, sharedMs);
      this.#queues[direction].shift();
      this.#take(direction, first.bytes);
      this.#turn = direction === 'read' ? 'write' : 'read';
      first.start();
      return 0;
    }
    return soonest;
  }
}

/**
 * Limits operations and bytes a second, with bursts. What must wait does so in the order it came (reads and writes each
 * in theirs, taking turns where they share a limit). Closing it closes the device below.
 */
export function throttleDevice(below: BlockDevice, options: ThrottleOptions): ThrottleDevice {
  return new Throttle(below, options);
}
