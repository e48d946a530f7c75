import { assert, isPromise, type Settled, type Turn } from '@ashlar/core';
import type { Inbox, PooledBuffer } from '@ashlar/wire';
import { RequestHead } from '../codec/request.ts';
import type { ContextRuns } from './block-status.ts';
import type { MetaContext } from './negotiation.ts';

/** What an operation tells its session; the callbacks are made once an object, not once a request. */
export type OperationOwner = {
  begin(operation: Operation): void;
  succeeded(operation: Operation, status: readonly ContextRuns[] | undefined): void;
  failed(operation: Operation, error: unknown): void;
  sent(operation: Operation): void;
};

/** One request in flight. Objects are used again: nothing is allocated for a request that is answered at once. */
export class Operation extends RequestHead implements Turn {
  cost = 0;
  behind: Turn | undefined;
  /** Bytes it counts for against the connection's bound. */
  weight = 0;
  /** Where a small write's payload lies. */
  inbox: Inbox | undefined;
  inboxAt = 0;
  /** A read's or a large write's memory. */
  buffer: PooledBuffer | undefined;
  /** What the payload of BLOCK_STATUS chose among the contexts that were negotiated; nothing where it has none. */
  chosen: readonly MetaContext[] | undefined;
  readonly #owner: OperationOwner;
  readonly done: (value: void | readonly ContextRuns[]) => void;
  readonly fail: (error: unknown) => void;
  readonly released: () => void;

  constructor(owner: OperationOwner) {
    super();
    this.#owner = owner;
    this.done = (value) => owner.succeeded(this, value ?? undefined);
    this.fail = (error) => owner.failed(this, error);
    this.released = () => owner.sent(this);
  }

  /** A write's bytes. */
  payload(): Uint8Array {
    if (this.inbox !== undefined) return this.inbox.bytes.subarray(this.inboxAt, this.inboxAt + this.length);
    assert(this.buffer !== undefined, 'a write that begins has its payload');
    return this.buffer.payload(this.length);
  }

  begin(): void {
    this.#owner.begin(this);
  }

  /** Tells its session how it ended: at once where that is known. */
  follow(result: Settled<void | readonly ContextRuns[]>): void {
    if (isPromise(result)) result.then(this.done, this.fail);
    else this.done(result);
  }

  start(head: RequestHead): void {
    this.type = head.type;
    this.flags = head.flags;
    this.cookieHigh = head.cookieHigh;
    this.cookieLow = head.cookieLow;
    this.offsetHigh = head.offsetHigh;
    this.offsetLow = head.offsetLow;
    this.offset = head.offset;
    this.length = head.length;
    this.weight = 0;
    this.chosen = undefined;
  }
}
