import type { Extent } from '@ashlar/core';
import { RequestHead } from '../codec/request.ts';
import type { PooledBuffer } from './buffer-pool.ts';
import type { ContextStatus } from './meta-context.ts';

/** What a device answers: nothing, or what a client is told of a range. */
export type Outcome = void | readonly ContextStatus[];

/** What an operation tells its session. */
export type OperationOwner = {
  succeeded(operation: Operation, outcome: Outcome): void;
  failed(operation: Operation, error: unknown): void;
  sent(operation: Operation): void;
};

/**
 * One request in flight. Objects and their callbacks are made once and used again: a request that is answered at once
 * allocates nothing.
 */
export class Operation extends RequestHead {
  owner: OperationOwner | undefined;
  /** A read's or a write's memory. */
  buffer: PooledBuffer | undefined;
  /** The request's bytes in it. */
  payload: Uint8Array | undefined;
  /** A read's extents where holes are told as holes; undefined: everything is data. */
  pieces: readonly Extent[] | undefined;
  /** Numbers of the contexts that BLOCK_STATUS is asked for; undefined: all that were negotiated. */
  contexts: readonly number[] | undefined;
  readonly done: (outcome: Outcome) => void;
  readonly fail: (error: unknown) => void;
  readonly released: () => void;

  constructor() {
    super();
    this.done = (outcome) => this.owner?.succeeded(this, outcome);
    this.fail = (error) => this.owner?.failed(this, error);
    this.released = () => this.owner?.sent(this);
  }
}

/** Operations that nobody uses now, for all connections of a thread. */
export class OperationPool {
  readonly #idle: Operation[] = [];

  take(owner: OperationOwner): Operation {
    const operation = this.#idle.pop() ?? new Operation();
    operation.owner = owner;
    return operation;
  }

  give(operation: Operation): void {
    operation.owner = undefined;
    operation.buffer = undefined;
    operation.payload = undefined;
    operation.pieces = undefined;
    operation.contexts = undefined;
    this.#idle.push(operation);
  }
}
