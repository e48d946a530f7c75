import { assert, KiB, MiB, type Scheduler, type Timer } from '@ashlar/core';

const smallestClassBits = 12;
const classCount = 14;

/** Bytes of the largest payload of a request, and of the largest buffer. */
export const largestPayload = 32 * MiB;

/** Memory of one size, lent to one request. */
export type PooledBuffer = { readonly bytes: Uint8Array; readonly sizeClass: number };

/** Who borrows. The pool asks it only when memory has run out. */
export type Borrower = {
  /** Goes up with each byte its peer sends or takes. */
  readonly progress: number;
  /** Bytes it has borrowed. */
  readonly borrowedBytes: number;
  /** It lets its peer go, and its memory with it. */
  evict(): void;
};

export type BufferPoolOptions = {
  /** Makes memory of a multiple of 4 KiB; a host gives such as begins on a page, for direct I/O. */
  readonly allocate?: (sizeBytes: number) => Uint8Array;
  /** Bytes that are lent at once at most. */
  readonly limitBytes?: number;
  /** Bytes that lie idle at most. */
  readonly idleBytes?: number;
  /** With it, borrowers that stand still while others wait are let go. */
  readonly scheduler?: Scheduler;
  /** How long a borrower may stand still while others wait for memory. */
  readonly standstillMs?: number;
};

type Waiter = { readonly sizeBytes: number; readonly retry: () => void };

function classOf(length: number): number {
  return 32 - Math.clz32((length - 1) >>> smallestClassBits);
}

function bytesOf(sizeClass: number): number {
  return 2 ** (smallestClassBits + sizeClass);
}

/**
 * The memory of all connections of a thread: buffers of powers of two from 4 KiB, used again and again, bounded in all.
 * Who finds none waits in line. A peer that holds memory and neither sends nor takes anything loses its connection when
 * others wait for that memory.
 */
export class BufferPool {
  readonly #idle: PooledBuffer[][] = Array.from({ length: classCount }, () => []);
  readonly #allocate: (sizeBytes: number) => Uint8Array;
  readonly #limitBytes: number;
  readonly #mostIdleBytes: number;
  readonly #scheduler: Scheduler | undefined;
  readonly #standstillMs: number;
  readonly #borrowers = new Map<Borrower, number>();
  readonly #waiters: Waiter[] = [];
  #lentBytes = 0;
  #idleBytes = 0;
  #waking = false;
  #timer: Timer | undefined;

  constructor(options: BufferPoolOptions = {}) {
    this.#allocate = options.allocate ?? ((sizeBytes) => new Uint8Array(sizeBytes));
    this.#limitBytes = Math.max(options.limitBytes ?? 256 * MiB, largestPayload);
    this.#mostIdleBytes = options.idleBytes ?? 32 * MiB;
    this.#scheduler = options.scheduler;
    this.#standstillMs = options.standstillMs ?? 30_000;
  }

  /** Bytes lent now. */
  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** Bytes that nobody uses now. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  join(borrower: Borrower): void {
    this.#borrowers.set(borrower, -1);
  }

  leave(borrower: Borrower): void {
    this.#borrowers.delete(borrower);
  }

  /** A buffer of at least `length` bytes (1 to `largestPayload`), or nothing: then `wait`. */
  take(length: number): PooledBuffer | undefined {
    assert(length > 0 && length <= largestPayload, 'a length is checked before memory is taken for it');
    const sizeClass = classOf(length);
    const sizeBytes = bytesOf(sizeClass);
    if (this.#lentBytes + sizeBytes > this.#limitBytes) return undefined;
    this.#lentBytes += sizeBytes;
    const idle = this.#idle[sizeClass]?.pop();
    if (idle === undefined) return { bytes: this.#allocate(sizeBytes), sizeClass };
    this.#idleBytes -= sizeBytes;
    return idle;
  }

  give(buffer: PooledBuffer): void {
    const sizeBytes = bytesOf(buffer.sizeClass);
    this.#lentBytes -= sizeBytes;
    assert(this.#lentBytes >= 0, 'a buffer is given back once');
    if (this.#idleBytes + sizeBytes <= this.#mostIdleBytes) {
      this.#idleBytes += sizeBytes;
      this.#idle[buffer.sizeClass]?.push(buffer);
    }
    if (this.#waiters.length > 0) this.#wakeSoon();
  }

  /** Calls `retry` once, when `take(length)` may succeed; first come, first served. */
  wait(length: number, retry: () => void): void {
    this.#waiters.push({ sizeBytes: bytesOf(classOf(length)), retry });
    this.#wakeSoon();
    this.#watch();
  }

  #wakeSoon(): void {
    if (this.#waking) return;
    this.#waking = true;
    queueMicrotask(() => {
      this.#waking = false;
      for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
        if (this.#lentBytes + first.sizeBytes > this.#limitBytes) return;
        this.#waiters.shift();
        first.retry();
      }
    });
  }

  /** While somebody waits: who has memory and stood still since the last look is let go. */
  #watch(): void {
    if (this.#timer !== undefined || this.#scheduler === undefined) return;
    for (const borrower of this.#borrowers.keys()) this.#borrowers.set(borrower, borrower.progress);
    this.#timer = this.#scheduler.after(this.#standstillMs, () => {
      this.#timer = undefined;
      if (this.#waiters.length === 0) return;
      const still = [...this.#borrowers].filter(
        ([borrower, seen]) => borrower.borrowedBytes > 0 && borrower.progress === seen,
      );
      for (const [borrower] of still) borrower.evict();
      this.#watch();
    });
  }
}

/** Bytes received at a time; payloads above it, and most of the large ones, go where they belong at once. */
const inboxBytes = 128 * KiB;

/** Where requests are received: one for all connections of a thread, since each leaves it empty. */
export class Inbox {
  readonly bytes = new Uint8Array(inboxBytes);
  readonly view = new DataView(this.bytes.buffer);
}
