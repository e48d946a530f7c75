import { assert } from '@ashlar/core';
import { node } from 'koffi';
import { AioContext, aioOperation } from '../ffi/aio.ts';
import { errno } from '../ffi/errno.ts';
import type { IoVector } from '../ffi/iovec.ts';
import { addressOf } from '../ffi/memory.ts';

/** Operations of one thread at the device at once; more wait here for their turn. */
const capacity = 256;

/** So many go to the kernel by one call at the latest, so that the device begins while the thread finds more. */
const mostTogether = 64;

type Operation = {
  readonly code: number;
  readonly file: number;
  readonly start: number;
  readonly length: number;
  readonly offset: number;
  /** Memory that the device reads or writes: it lives until the operation has ended. */
  readonly memory: unknown;
  readonly resolve: (result: number) => void;
};

/**
 * The direct transfers of one thread. What is asked for in one turn goes to the kernel together; the ends are taken as soon
 * as the thread looks, by its event loop between rounds or when libuv is woken.
 */
class DirectQueue {
  readonly #context: AioContext;
  readonly #operations: (Operation | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #waiting: Operation[] = [];
  #prepared: number[] = [];
  #inFlight = 0;
  #flushQueued = false;
  readonly #poll: node.PollHandle;

  constructor(context: AioContext) {
    this.#context = context;
    for (let index = capacity - 1; index >= 0; index -= 1) this.#free.push(index);
    this.#poll = node.poll(context.descriptor, { readable: true }, () => this.reap());
    this.#poll.unref();
  }

  run(operation: Omit<Operation, 'resolve'>): Promise<number> {
    return new Promise((resolve) => {
      const whole = { ...operation, resolve };
      if (this.#free.length === 0) this.#waiting.push(whole);
      else this.#prepare(whole);
    });
  }

  /** Takes what has ended; true when something has. */
  reap(): boolean {
    if (this.#inFlight === 0) return false;
    const count = this.#context.reap(this.#ended);
    if (count > 0) this.#context.acknowledge();
    while (this.#waiting.length > 0 && this.#free.length > 0) this.#prepare(this.#waiting.shift()!);
    if (this.#inFlight === 0) this.#poll.unref();
    return count > 0;
  }

  #prepare(operation: Operation): void {
    const index = this.#free.pop();
    assert(index !== undefined, 'a place is free when it is taken');
    const { code, file, start, length, offset } = operation;
    this.#operations[index] = operation;
    this.#context.prepare(index, code, file, start, length, offset);
    this.#prepared.push(index);
    if (this.#prepared.length >= mostTogether) this.#flush();
    else if (!this.#flushQueued) {
      this.#flushQueued = true;
      queueMicrotask(this.#flushSoon);
    }
  }

  readonly #flushSoon = (): void => {
    this.#flushQueued = false;
    this.#flush();
  };

  #flush(): void {
    let at = 0;
    while (at < this.#prepared.length) {
      const rest = this.#prepared.slice(at);
      const taken = this.#context.submit(rest, rest.length);
      if (taken > 0) {
        if (this.#inFlight === 0) this.#poll.ref();
        this.#inFlight += taken;
        at += taken;
      } else if (taken === -errno.EAGAIN) break;
      else {
        // The first one is refused: it ends with that, the others are tried.
        this.#finish(rest[0] ?? 0, taken);
        at += 1;
      }
    }
    this.#prepared = this.#prepared.slice(at);
    // The kernel has no room now: again when others have ended.
    if (this.#prepared.length > 0 && !this.#flushQueued) {
      this.#flushQueued = true;
      setImmediate(this.#flushSoon);
    }
  }

  readonly #ended = (index: number, result: number): void => {
    this.#inFlight -= 1;
    this.#finish(index, result);
  };

  #finish(index: number, result: number): void {
    const operation = this.#operations[index];
    assert(operation !== undefined, 'an operation ends once');
    this.#operations[index] = undefined;
    this.#free.push(index);
    operation.resolve(result);
  }
}

/** One for each thread that uses it; null where the kernel gives none. */
let queue: DirectQueue | null | undefined;

function queueOfThread(): DirectQueue | null {
  if (queue === undefined) {
    const context = AioContext.create(capacity);
    queue = context === undefined ? null : new DirectQueue(context);
  }
  return queue;
}

/** Whether this thread can have direct transfers in flight without a thread for each. */
export const hasDirectQueue = (): boolean => queueOfThread() !== null;

/** Takes the direct transfers of this thread that have ended; true when there were some. Costs nothing where there are none. */
export const reapDirect = (): boolean => queue?.reap() ?? false;

function run(code: number, file: number, start: number, length: number, offset: number, memory: unknown) {
  const there = queueOfThread();
  assert(there !== null, 'the kernel gave a context');
  return there.run({ code, file, start, length, offset, memory });
}

/** Reads into `into` from `start` to its end: the count, or minus errno. */
export function readDirect(file: number, into: Uint8Array, start: number, offset: number): Promise<number> {
  return run(aioOperation.read, file, addressOf(into) + start, into.byteLength - start, offset, into);
}

/** Writes `from` from `start` to its end: the count, or minus errno. */
export function writeDirect(file: number, from: Uint8Array, start: number, offset: number): Promise<number> {
  return run(aioOperation.write, file, addressOf(from) + start, from.byteLength - start, offset, from);
}

/** Writes the parts of a vector, which belongs to this operation alone; `parts` is the memory that it points to. */
export function writeVectorDirect(
  file: number,
  vector: IoVector,
  parts: readonly Uint8Array[],
  offset: number,
): Promise<number> {
  return run(aioOperation.writeVector, file, vector.start, vector.count, offset, [vector, parts]);
}
