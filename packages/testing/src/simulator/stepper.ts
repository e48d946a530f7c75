import type { AshlarError, ErrorKind, Settled } from '@ashlar/core';
import type { Flights } from './flights.ts';
import type { Machine } from './machine.ts';

/** Tasks of the machine after which an answer that has not come never will. */
const patience = 200_000;

type Outcome<T> = { readonly value: T } | { readonly error: AshlarError };

/** Ends a simulation that found something. */
export class Problem extends Error {}

/** An operation was answered with an error, which is a problem where the disk is well. */
export class Refusal extends Problem {
  readonly kind: ErrorKind;

  constructor(what: string, { kind, stack }: AshlarError) {
    super(`${what} failed: ${kind}: ${stack}`);
    this.kind = kind;
  }
}

/** Lets the machine run, and sees that whoever waits for an answer gets one. */
export class Stepper {
  readonly #machine: Machine;
  readonly #flights: Flights;

  constructor(machine: Machine, flights: Flights) {
    this.#machine = machine;
    this.#flights = flights;
  }

  /** Until an operation has settled; gives its value. */
  async finish<T>(what: string, operation: () => Settled<T>): Promise<T> {
    return valueOf(what, await this.settled(what, operation));
  }

  /** Until an operation has settled, well or not. */
  async settled<T>(what: string, operation: () => Settled<T>): Promise<Outcome<T>> {
    const ended = this.#begin(what, operation);
    for (let count = 0; ended.outcome === undefined; count += 1) {
      if (count > patience) throw new Problem(`${what} was never answered`);
      await this.step();
    }
    return ended.outcome;
  }

  /** At the most so many tasks long; nothing where the operation has not settled by then. */
  async within<T>(
    what: string,
    operation: () => Settled<T>,
    steps: number,
  ): Promise<{ readonly value: T } | undefined> {
    const ended = this.#begin(what, operation);
    for (let count = 0; count < steps && ended.outcome === undefined; count += 1) await this.#machine.step();
    return ended.outcome === undefined ? undefined : { value: valueOf(what, ended.outcome) };
  }

  /** Until nothing is in flight. */
  async quiet(): Promise<void> {
    for (let count = 0; this.#flights.count > 0; count += 1) {
      if (count > patience) throw new Problem(`${this.#flights.names}: never answered`);
      await this.step();
    }
  }

  async steps(count: number): Promise<void> {
    for (let step = 0; step < count; step += 1) if (!(await this.#machine.step())) return;
  }

  async step(): Promise<void> {
    if (await this.#machine.step()) return;
    if (this.#flights.count > 0)
      throw new Problem(`nothing happens any more, and ${this.#flights.names} wait for an answer`);
  }

  #begin<T>(what: string, operation: () => Settled<T>): { outcome: Outcome<T> | undefined } {
    const ended: { outcome: Outcome<T> | undefined } = { outcome: undefined };
    this.#flights.start(
      this.#flights.event(what),
      operation,
      (value) => {
        ended.outcome = { value };
      },
      (error) => {
        ended.outcome = { error };
      },
    );
    return ended;
  }
}

function valueOf<T>(what: string, outcome: Outcome<T>): T {
  if ('value' in outcome) return outcome.value;
  throw new Refusal(what, outcome.error);
}
