import { assert } from '@ashlar/core';
import { lastErrno, libc } from './libc.ts';

const create: (flags: number) => number = libc.func('int epoll_create1(int flags)');
const control: (epoll: number, operation: number, descriptor: number, event: Uint32Array | null) => number = libc.func(
  'int epoll_ctl(int epoll, int operation, int fd, void *event)',
);
const wait: (epoll: number, events: Uint32Array, limit: number, timeoutMs: number) => number = libc.func(
  'int epoll_wait(int epoll, _Out_ void *events, int limit, int timeout)',
);

const EPOLL_CLOEXEC = 0o2000000;
const operations = { add: 1, remove: 2, change: 3 } as const;

/** What is waited for and told, in bits. Errors and hang-ups are told always. */
export const epollEvent = { readable: 1, writable: 4, error: 8, hangUp: 16 } as const;

/** struct epoll_event is packed on x86-64 only: 32 bits of events, then 64 of data. */
const wordsEach = process.arch === 'x64' ? 3 : 4;
const dataWord = process.arch === 'x64' ? 1 : 2;

/** An epoll set. Each descriptor in it has a tag below 2^32, which its events carry. Level-triggered. */
export class EpollSet {
  readonly descriptor: number;
  readonly #events: Uint32Array;
  readonly #limit: number;
  readonly #one = new Uint32Array(wordsEach);

  constructor(eventsEachWait: number) {
    this.#limit = eventsEachWait;
    this.#events = new Uint32Array(eventsEachWait * wordsEach);
    this.descriptor = create(EPOLL_CLOEXEC);
    assert(this.descriptor >= 0, `epoll_create1 gave errno ${lastErrno()}`);
  }

  /** 0, or minus errno. */
  add(descriptor: number, tag: number, events: number): number {
    return this.#control(operations.add, descriptor, tag, events);
  }

  change(descriptor: number, tag: number, events: number): number {
    return this.#control(operations.change, descriptor, tag, events);
  }

  remove(descriptor: number): number {
    return this.#control(operations.remove, descriptor, 0, 0);
  }

  #control(operation: number, descriptor: number, tag: number, events: number): number {
    this.#one[0] = events;
    this.#one[dataWord] = tag;
    return control(this.descriptor, operation, descriptor, this.#one) < 0 ? -lastErrno() : 0;
  }

  /** Waits at most `timeoutMs` (0: not at all); the number of events, also 0 when a signal came. */
  wait(timeoutMs: number): number {
    return Math.max(0, wait(this.descriptor, this.#events, this.#limit, timeoutMs));
  }

  /** The bits of the event at `index` of the last wait. */
  eventsAt(index: number): number {
    return this.#events[index * wordsEach]!;
  }

  tagAt(index: number): number {
    return this.#events[index * wordsEach + dataWord]!;
  }
}
