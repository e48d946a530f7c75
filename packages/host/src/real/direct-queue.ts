import { assert } from '@ashlar/core';
import { node } from 'koffi';
import { AioContext, aioOperation } from '../ffi/aio.ts';
import { errno } from '../ffi/errno.ts';
import { IoVector } from '../ffi/iovec.ts';
import { addressOf } from '../ffi/memory.ts';

/** Operations of one thread at the device at once; more wait here for their turn. */
const capacity = 256;

/** So many go to the kernel by one call at the latest, so that the device begins while the thread finds more. */
const mostTogether = 64;

/** Parts for which a vector is kept ready; one of more is made for its operation. */
const readyParts = 64;

type Operation = {
  readonly code: number;
  readonly file: number;
  readonly offset: number;
  /** Memory that the device reads or writes, which lives until the operation has ended: one buffer from `from` on, or several whole ones. */
  readonly memory: Uint8Array | readonly Uint8Array[];
  readonly from: number;
  /** Told the count, or minus errno. */
  readonly ended: (result: number) => void;
};

/**
 * The direct transfers of one thread. What is asked for in one turn goes to the kernel together; the ends are taken as soon
 * as the thread looks, by its event loop between rounds or when libuv is woken.
 */
class DirectQueue {
  readonly #context: AioContext;
  readonly #operations: (Operation | undefined)[] = [];
  readonly #vectors: (IoVector | undefined)[] = [];
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

  get isBusy(): boolean {
    return this.#inFlight > 0;
  }

  run(operation: Operation): void {
    if (this.#free.length === 0) this.#waiting.push(operation);
    else this.#prepare(operation);
  }

  /** Takes what has ended; true when something has. */
  reap(): boolean {
    if (this.#inFlight === 0) return false;
    let count = this.#context.reap(this.#ended);
    if (count > 0) {
      this.#context.acknowledge();
      // What ended since the look was acknowledged with the rest: nothing else would tell of it.
      count += this.#context.reap(this.#ended);
    }
    while (this.#waiting.length > 0 && this.#free.length > 0) this.#prepare(this.#waiting.shift()!);
    if (this.#inFlight === 0) this.#poll.unref();
    return count > 0;
  }

  #prepare(operation: Operation): void {
    const index = this.#free.pop();
    assert(index !== undefined, 'a place is free when it is taken');
    const { code, file, offset, memory, from } = operation;
    this.#operations[index] = operation;
    if (memory instanceof Uint8Array) {
      this.#context.prepare(index, code, file, addressOf(memory) + from, memory.byteLength - from, offset);
    } else {
      const { start, count } = this.#vectorOf(index, memory);
      this.#context.prepare(index, code, file, start, count, offset);
    }
    this.#prepared.push(index);
    if (this.#prepared.length >= mostTogether) this.#flush();
    else if (!this.#flushQueued) {
      this.#flushQueued = true;
      queueMicrotask(this.#flushSoon);
    }
  }

  /** The parts as the kernel reads them: it takes a copy when the operation is submitted. */
  #vectorOf(index: number, parts: readonly Uint8Array[]): IoVector {
    if (parts.length > readyParts) this.#vectors[index] = new IoVector(parts.length);
    const vector = (this.#vectors[index] ??= new IoVector(readyParts));
    vector.clear();
    for (const part of parts) vector.add(addressOf(part), part.byteLength);
    return vector;
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
    operation.ended(result);
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

/** Whether this thread has direct transfers at the device. */
export const isDirectBusy = (): boolean => queue?.isBusy ?? false;

function run(operation: Operation): void {
  const there = queueOfThread();
  assert(there !== null, 'the kernel gave a context');
  there.run(operation);
}

type Ended = Operation['ended'];

/** Reads into `into` from `start` to its end. Tells the count, or minus errno: no promise, as there is one transfer for each block that is read. */
export function readDirect(file: number, into: Uint8Array, start: number, offset: number, ended: Ended): void {
  run({ code: aioOperation.read, file, offset, memory: into, from: start, ended });
}

/** Writes `from` from `start` to its end. Tells the count, or minus errno. */
export function writeDirect(file: number, from: Uint8Array, start: number, offset: number, ended: Ended): void {
  run({ code: aioOperation.write, file, offset, memory: from, from: start, ended });
}

/** Writes the parts one behind the other, at most `maximumParts` of them. Tells the count, or minus errno. */
export function writePartsDirect(file: number, parts: readonly Uint8Array[], offset: number, ended: Ended): void {
  run({ code: aioOperation.writeVector, file, offset, memory: parts, from: 0, ended });
}
