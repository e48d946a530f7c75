import { errorKindOf, type BlockDevice, type Clock, type ErrorKind, type Settled } from '@ashlar/core';
import { OperationLayer, watch, type Operation } from './operation.ts';

/** One operation that has ended. */
export type OperationLine = Operation & {
  readonly durationMs: number;
  readonly error: ErrorKind | undefined;
};

export type LogOptions = {
  readonly clock: Clock;
  /** Takes one line for each operation when it ends; must not throw. */
  readonly sink: (line: OperationLine) => void;
};

class LogDevice extends OperationLayer {
  readonly #options: LogOptions;

  constructor(below: BlockDevice, options: LogOptions) {
    super(below);
    this.#options = options;
  }

  protected override around<T>(operation: Operation, run: () => Settled<T>): Settled<T> {
    const { clock, sink } = this.#options;
    const startMs = clock.monotonicMs();
    return watch(run, (error) =>
      sink({
        ...operation,
        durationMs: clock.monotonicMs() - startMs,
        error: error === undefined ? undefined : errorKindOf(error),
      }),
    );
  }
}

/** Tells a sink one structured line for each operation. Closing it closes the device below. */
export function logDevice(below: BlockDevice, options: LogOptions): BlockDevice {
  return new LogDevice(below, options);
}
