import { AshlarError, andThen, type BlockDevice, type ErrorKind, type Random, type Settled } from '@ashlar/core';
import { OperationLayer, type Operation, type OperationName } from './operation.ts';

/** Which operations fail, and how. What is not named does not narrow it. */
export type Fault = {
  readonly kind: ErrorKind;
  readonly operations?: readonly OperationName[];
  /** Bytes: operations that touch [offset, offset+length). An operation without a range (flush, resize) touches none. */
  readonly offset?: number;
  readonly length?: number;
  /** In [0, 1]; 1 by default. */
  readonly probability?: number;
  /** How often it strikes; for ever by default. */
  readonly times?: number;
  /** `before` (default): nothing was done. `after`: it was done below, and the error is told all the same. */
  readonly when?: 'before' | 'after';
};

export interface FaultDevice extends BlockDevice {
  /** Adds a fault; the function returned takes it away again. */
  inject(fault: Fault): () => void;
}

type Armed = { readonly fault: Fault; left: number };

function touches(fault: Fault, operation: Operation): boolean {
  if (fault.operations !== undefined && !fault.operations.includes(operation.name)) return false;
  if (fault.offset === undefined && fault.length === undefined) return true;
  if (operation.name === 'flush' || operation.name === 'resize') return false;
  const start = fault.offset ?? 0;
  const end = fault.length === undefined ? Number.POSITIVE_INFINITY : start + fault.length;
  return operation.offset < end && operation.offset + operation.length > start;
}

class FaultLayer extends OperationLayer implements FaultDevice {
  readonly #random: Random;
  readonly #armed = new Set<Armed>();

  constructor(below: BlockDevice, random: Random, faults: readonly Fault[]) {
    super(below);
    this.#random = random;
    for (const fault of faults) this.inject(fault);
  }

  inject(fault: Fault): () => void {
    const armed = { fault, left: fault.times ?? Number.POSITIVE_INFINITY };
    this.#armed.add(armed);
    return () => this.#armed.delete(armed);
  }

  protected override around<T>(operation: Operation, run: () => Settled<T>): Settled<T> {
    const fault = this.#strike(operation);
    if (fault === undefined) return run();
    const { name, offset, length } = operation;
    const error = new AshlarError(fault.kind, `a fault was put in the way of ${name} at ${offset}`, {
      operation: name,
      offset,
      length,
    });
    if (fault.when !== 'after') throw error;
    return andThen(run(), () => {
      throw error;
    });
  }

  #strike(operation: Operation): Fault | undefined {
    for (const armed of this.#armed) {
      if (!touches(armed.fault, operation) || !this.#happens(armed.fault.probability ?? 1)) continue;
      armed.left -= 1;
      if (armed.left <= 0) this.#armed.delete(armed);
      return armed.fault;
    }
    return undefined;
  }

  #happens(probability: number): boolean {
    return probability >= 1 || this.#random.below(2 ** 32) < probability * 2 ** 32;
  }
}

/** Fails operations on purpose, by seed or by name, for tests. Closing it closes the device below. */
export function faultDevice(below: BlockDevice, random: Random, faults: readonly Fault[] = []): FaultDevice {
  return new FaultLayer(below, random, faults);
}
