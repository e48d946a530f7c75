import { AshlarError, type BlockDevice, type Scheduler, type Settled } from '@ashlar/core';
import { closedError } from './check.ts';
import { OperationLayer, type Operation, type OperationName } from './operation.ts';

export type DelayOptions = {
  readonly scheduler: Scheduler;
  /** Milliseconds that an operation waits before it starts; what is not named does not wait. */
  readonly delayMs: Partial<Record<OperationName, number>>;
  /** Operations that wait at once, 4,096 by default; one more is `busy`. */
  readonly limit?: number;
};

class DelayDevice extends OperationLayer {
  readonly #options: DelayOptions;
  readonly #limit: number;
  readonly #waiting = new Set<Promise<unknown>>();
  #closed = false;

  constructor(below: BlockDevice, options: DelayOptions) {
    super(below);
    this.#options = options;
    this.#limit = options.limit ?? 4096;
  }

  protected override around<T>(operation: Operation, run: () => Settled<T>): Settled<T> {
    if (this.#closed) throw closedError(operation.name);
    const delayMs = this.#options.delayMs[operation.name] ?? 0;
    if (delayMs <= 0) return run();
    if (this.#waiting.size >= this.#limit) {
      throw new AshlarError('busy', `${this.#limit} operations wait already for their delay to pass`, {
        operation: operation.name,
      });
    }
    const result = new Promise<void>((resolve) => {
      this.#options.scheduler.after(delayMs, resolve);
    }).then(run);
    this.#waiting.add(result);
    const ended = (): void => {
      this.#waiting.delete(result);
    };
    result.then(ended, ended);
    return result;
  }

  override close(): Settled<void> {
    this.#closed = true;
    if (this.#waiting.size === 0) return this.below.close();
    return Promise.allSettled(this.#waiting).then(() => this.below.close());
  }
}

/** Lets operations start later than they were asked for: a slow disk or a far one, for tests. Closing it closes the device below. */
export function delayDevice(below: BlockDevice, options: DelayOptions): BlockDevice {
  return new DelayDevice(below, options);
}
