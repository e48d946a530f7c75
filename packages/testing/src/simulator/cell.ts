/**
 * An operation as the model sees it. Times are counts of what was asked and answered, so each is its own. An operation that
 * failed may have taken effect or not: it never settles.
 */
export type Event = {
  readonly name: string;
  readonly calledAt: number;
  /** Infinity until it has settled well. */
  settledAt: number;
  /** It settled and must survive every crash from then on. */
  durable: boolean;
};

type Version<V> = { readonly value: V; readonly event: Event };

/** From the first to the last moment at which a history cut there would show what was found. */
export type Interval = { readonly from: number; readonly to: number };

/**
 * One thing that is old or new after a crash, never in between: a block, a record, a size. Holds the values it had in the order in
 * which they were asked for, back to the oldest that a crash could still bring back.
 */
export class Cell<V> {
  #versions: Version<V>[];

  constructor(value: V, event: Event) {
    this.#versions = [{ value, event }];
  }

  /** What it will hold when everything asked for has been done. */
  get latest(): V {
    return this.#last.value;
  }

  /** Something asked for is under way or failed: what it holds is not certain. */
  get uncertain(): boolean {
    return this.#last.event.settledAt === Infinity;
  }

  /** The value every read must give, when it is certain. */
  get certain(): V | undefined {
    return this.uncertain ? undefined : this.latest;
  }

  add(value: V, event: Event): void {
    this.#versions.push({ value, event });
  }

  /** Takes back a version that is known to have had no effect. */
  remove(event: Event): void {
    this.#versions = this.#versions.filter((version) => version.event !== event);
  }

  /** Whether a failed operation took effect is seen now: it has settled at `at`, or never was. */
  settle(event: Event, matches: (value: V) => boolean, at: number): void {
    this.#versions = this.#versions.flatMap((version) => {
      if (version.event !== event) return [version];
      return matches(version.value) ? [{ value: version.value, event: { ...event, settledAt: at } }] : [];
    });
  }

  /** What a read between these moments may have seen: what had settled before it began, or anything later. */
  maySee(matches: (value: V) => boolean, calledAt: number, settledAt: number): boolean {
    let first = 0;
    for (const [index, { event }] of this.#versions.entries()) if (event.settledAt < calledAt) first = index;
    return this.#versions.slice(first).some(({ value, event }) => event.calledAt < settledAt && matches(value));
  }

  /** When the history may have been cut, if this is what is left: nothing durable lost, all before the cut there. */
  cuts(matches: (value: V) => boolean): Interval[] {
    const intervals: Interval[] = [];
    let to = Infinity;
    for (const { value, event } of this.#versions.toReversed()) {
      if (matches(value)) intervals.push({ from: event.calledAt, to });
      if (event.durable) break;
      to = Math.min(to, event.settledAt);
    }
    return intervals;
  }

  /** The operation's value is among those that it had, or may have had. */
  remembers(event: Event): boolean {
    return this.#versions.some((version) => version.event === event);
  }

  /** Whether the operation's value, or a later one, is what was found. */
  holds(event: Event, matches: (value: V) => boolean): 'yes' | 'no' | 'either' {
    const place = this.#versions.findIndex((version) => version.event === event);
    const found = this.#versions.flatMap(({ value }, index) => (matches(value) ? [index] : []));
    if (found.every((index) => index >= place)) return 'yes';
    return found.every((index) => index < place) ? 'no' : 'either';
  }

  /**
   * Recovery left this value: what came after it is gone. After a loss of power it is on the disk for good; after a
   * killed process it is where it was, and what was under way counts as settled from `at` on.
   */
  recovered(matches: (value: V) => boolean, at: number, onDisk: boolean): void {
    const index = this.#versions.findLastIndex(({ value }) => matches(value));
    if (onDisk) {
      const { value } = this.#versions[index] ?? this.#last;
      this.#versions = [{ value, event: { name: 'recovery', calledAt: at, settledAt: at, durable: true } }];
      return;
    }
    this.#versions = this.#versions.slice(0, index + 1);
    for (const version of this.#versions) version.event.settledAt = Math.min(version.event.settledAt, at);
  }

  /** Forgets what no crash brings back, once all that settled before `durableUntil` is durable. */
  forget(durableUntil: number): void {
    const isDurable = ({ event }: Version<V>): boolean => event.durable || event.settledAt < durableUntil;
    const index = this.#versions.findLastIndex(isDurable);
    if (index > 0) this.#versions = this.#versions.slice(index);
  }

  /** Its history in words, oldest first. */
  describe(print: (value: V) => string): string {
    return this.#versions
      .map(({ value, event }) => {
        const end = event.settledAt === Infinity ? 'open' : `${event.settledAt}`;
        return `${print(value)} by ${event.name} [${event.calledAt}–${end}${event.durable ? ' durable' : ''}]`;
      })
      .join('; ');
  }

  get #last(): Version<V> {
    const last = this.#versions.at(-1);
    if (last === undefined) throw new RangeError('a cell without a version');
    return last;
  }
}
