import { assert } from '@ashlar/core';
import { view } from 'koffi';
import { lastErrno, libc } from './libc.ts';
import { addressOf } from './memory.ts';

const call: (number: number, ...words: number[]) => number = libc.func(
  'long syscall(long number, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e)',
);
const eventfd: (initial: number, flags: number) => number = libc.func('int eventfd(unsigned int initial, int flags)');
const read: (descriptor: number, into: Uint8Array, length: number) => number = libc.func(
  'long read(int descriptor, _Out_ void *into, size_t length)',
);

const numbers =
  process.arch === 'arm64' ? { setup: 0, submit: 2, getEvents: 4 } : { setup: 206, submit: 209, getEvents: 208 };

const EFD_NONBLOCK_CLOEXEC = 0o2004000;
const IOCB_FLAG_RESFD = 1;

/** Operations of linux/aio_abi.h. The vectored ones take an array of `struct iovec` and the number of its parts. */
export const aioOperation = { read: 0, write: 1, readVector: 7, writeVector: 8 } as const;

const controlWords = 16;
const eventWords = 8;
const ringMagic = 0xa10a10a1;
const ringHeaderBytes = 32;
const high = 2 ** 32;

/** Where the words of the ring's header stand. */
const ring = { size: 1, head: 2, tail: 3, magic: 4, incompatible: 6, headerBytes: 7 } as const;

/**
 * A context of the kernel's asynchronous I/O (io_setup(2)): operations on files that were opened with O_DIRECT run at the
 * device while the thread goes on. Its ends are read from the ring that the kernel shares with the process, without a call.
 */
export class AioContext {
  /** Readable when operations have ended since `acknowledge`. */
  readonly descriptor: number;
  readonly #context: number;
  readonly #controls: Uint32Array;
  readonly #controlsStart: number;
  readonly #pointers: Uint32Array;
  readonly #pointersStart: number;
  readonly #ring: Uint32Array | undefined;
  readonly #events: Uint32Array;
  readonly #counter = new Uint8Array(8);

  private constructor(context: number, descriptor: number, capacity: number) {
    this.#context = context;
    this.descriptor = descriptor;
    this.#controls = new Uint32Array(capacity * controlWords);
    this.#controlsStart = addressOf(new Uint8Array(this.#controls.buffer));
    this.#pointers = new Uint32Array(capacity * 2);
    this.#pointersStart = addressOf(new Uint8Array(this.#pointers.buffer));
    this.#events = new Uint32Array(capacity * eventWords);
    this.#ring = ringAt(context);
  }

  /** For `capacity` operations in flight; undefined where the kernel has none to give. */
  static create(capacity: number): AioContext | undefined {
    const place = new Uint32Array(2);
    const result = call(numbers.setup, capacity, addressOf(new Uint8Array(place.buffer)), 0, 0, 0);
    if (result < 0) return undefined;
    const descriptor = eventfd(0, EFD_NONBLOCK_CLOEXEC);
    assert(descriptor >= 0, `eventfd gave errno ${lastErrno()}`);
    return new AioContext((place[1] ?? 0) * high + (place[0] ?? 0), descriptor, capacity);
  }

  /** Fills the control block of operation `index`; `length` is bytes, or parts of a vector at `start`. */
  prepare(index: number, operation: number, file: number, start: number, length: number, offset: number): void {
    const words = this.#controls;
    const at = index * controlWords;
    words.fill(0, at, at + controlWords);
    words[at] = index;
    words[at + 4] = operation;
    words[at + 5] = file;
    words[at + 6] = start % high;
    words[at + 7] = start / high;
    words[at + 8] = length;
    words[at + 10] = offset % high;
    words[at + 11] = offset / high;
    words[at + 14] = IOCB_FLAG_RESFD;
    words[at + 15] = this.descriptor;
  }

  /** Starts the first `count` of `indexes`: how many were taken, or minus errno of the first one. */
  submit(indexes: readonly number[], count: number): number {
    const bytesEach = controlWords * 4;
    for (let place = 0; place < count; place += 1) {
      const start = this.#controlsStart + (indexes[place] ?? 0) * bytesEach;
      this.#pointers[place * 2] = start % high;
      this.#pointers[place * 2 + 1] = start / high;
    }
    const result = call(numbers.submit, this.#context, count, this.#pointersStart, 0, 0);
    return result < 0 ? -lastErrno() : result;
  }

  /** Tells each operation that has ended: its bytes, or minus errno. Gives how many. */
  reap(ended: (index: number, result: number) => void): number {
    if (this.#ring === undefined) return this.#reapByCall(ended);
    const size = this.#ring[ring.size] ?? 1;
    let count = 0;
    for (;;) {
      const head = Atomics.load(this.#ring, ring.head);
      if (head === Atomics.load(this.#ring, ring.tail)) return count;
      const at = ringHeaderBytes / 4 + head * eventWords;
      const index = this.#ring[at] ?? 0;
      const result = (this.#ring[at + 4] ?? 0) | 0;
      // The kernel may put the next one there from now on.
      Atomics.store(this.#ring, ring.head, (head + 1) % size);
      ended(index, result);
      count += 1;
    }
  }

  /** What ended until now no longer makes the descriptor readable: `reap` comes behind it, for what ended since the last one. */
  acknowledge(): void {
    read(this.descriptor, this.#counter, this.#counter.length);
  }

  #reapByCall(ended: (index: number, result: number) => void): number {
    const start = addressOf(new Uint8Array(this.#events.buffer));
    const count = call(numbers.getEvents, this.#context, 0, this.#events.length / eventWords, start, 0);
    for (let place = 0; place < count; place += 1) {
      const at = place * eventWords;
      ended(this.#events[at] ?? 0, (this.#events[at + 4] ?? 0) | 0);
    }
    return Math.max(0, count);
  }
}

/** The ring at the start of a context (fs/aio.c), if it is one that this knows. */
function ringAt(context: number): Uint32Array | undefined {
  const header = new Uint32Array(view(BigInt(context), ringHeaderBytes));
  const isKnown =
    header[ring.magic] === ringMagic && header[ring.incompatible] === 0 && header[ring.headerBytes] === ringHeaderBytes;
  if (!isKnown) return undefined;
  return new Uint32Array(view(BigInt(context), ringHeaderBytes + (header[ring.size] ?? 0) * eventWords * 4));
}
