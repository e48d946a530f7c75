import { BufferPool, Inbox, type BufferPoolOptions } from './buffer-pool.ts';
import { OperationPool } from './operation.ts';

/** What the sessions of one thread share. */
export type SessionMemory = {
  readonly buffers: BufferPool;
  readonly inbox: Inbox;
  readonly operations: OperationPool;
};

export function sessionMemory(options: BufferPoolOptions = {}): SessionMemory {
  return { buffers: new BufferPool(options), inbox: new Inbox(), operations: new OperationPool() };
}
