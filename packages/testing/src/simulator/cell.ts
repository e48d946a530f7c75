/**
 * An operation as the model sees it. Times are counts of what was asked and answered, so each is its own. An operation that
 * failed may have taken effect or not: it has ended and never settles.
 */
export type Event = {
  readonly name: string;
  readonly calledAt: number;
  /** When it was answered, well or not; Infinity until then. */
  endedAt: number;
  /** When it was answered well; Infinity until then, and for ever when it failed. */
  settledAt: number;
  /** It settled and must survive every crash from then on. */
  durable: boolean;
};

/** Before everything. */
export const dawn: Event = { name: 'creation', calledAt: -1, endedAt: -1, settledAt: -1, durable: true };

/** `rank`: what was seen to be the last of several that were in flight at once comes after all of a lower rank. */
export type Version<V> = { readonly value: V; readonly event: Event; readonly rank: number };

/** From the first to the last moment at which a history cut there would show what was found. */
export type Interval = { readonly from: number; readonly to: number };

/** `later` took effect after `earlier` for certain: those in flight at once may have done so in either order. */
function follows<V>(later: Version<V>, earlier: Version<V>): boolean {
  return later.rank > earlier.rank || (later.rank === earlier.rank && later.event.calledAt > earlier.event.endedAt);
}

/**
 * One thing that is old or new after a crash, never in between: a block, a record, a size. Holds the values that it had, back to
 * the oldest that a crash could still bring back.
 */
export class Cell<V> {
  #versions: Version<V>[];

  constructor(value: V, event: Event) {
    this.#versions = [{ value, event, rank: 0 }];
  }

  /** The one version that it has, where there is one only: so it is with most of them, most of the time. */
  get #only(): Version<V> | undefined {
    return this.#versions.length === 1 ? this.#versions[0] : undefined;
  }

  /** What it holds is not certain: something is under way, or failed, or several were in flight at once. */
  get uncertain(): boolean {
    const [only, ...more] = this.#last();
    return only === undefined || more.length > 0 || only.event.settledAt === Infinity;
  }

  /** The value every read must give, when it is certain. */
  get certain(): V | undefined {
    return this.uncertain ? undefined : this.#last()[0]?.value;
  }

  add(value: V, event: Event): void {
    this.#versions.push({ value, event, rank: this.#rank });
  }

  /** What something that looks at this moment may find; what is in flight then, or failed, may have taken effect or not. */
  visible(at: number): readonly Version<V>[] {
    if (this.#versions.length === 1) return this.#versions;
    return this.#versions.filter(
      (version) => !this.#versions.some((other) => other.event.settledAt < at && follows(other, version)),
    );
  }

  /** What was asked for after that moment. */
  since(at: number): readonly Version<V>[] {
    return this.#versions.filter(({ event }) => event.calledAt > at);
  }

  /** Until when something that looks may find that version. */
  endOf(version: Version<V>): number {
    return this.#versions.reduce(
      (least, other) => (follows(other, version) ? Math.min(least, other.event.settledAt) : least),
      Infinity,
    );
  }

  /** What a read between these moments may have seen: nothing that was overwritten for certain before it began. */
  maySee(matches: (value: V) => boolean, calledAt: number, settledAt: number): boolean {
    const only = this.#only;
    if (only !== undefined) return only.event.calledAt < settledAt && matches(only.value);
    return this.#versions.some(
      (version) =>
        version.event.calledAt < settledAt &&
        matches(version.value) &&
        !this.#versions.some((other) => other.event.settledAt < calledAt && follows(other, version)),
    );
  }

  /** When the history may have been cut, if this is what is left: nothing durable lost, all before the cut there. */
  cuts(matches: (value: V) => boolean): readonly Interval[] {
    const only = this.#only;
    if (only !== undefined) return matches(only.value) ? [{ from: only.event.calledAt, to: Infinity }] : [];
    return this.#versions.flatMap((version) => {
      if (!matches(version.value)) return [];
      const gone = this.#versions.filter((other) => follows(other, version));
      if (gone.some(({ event }) => event.durable)) return [];
      return [{ from: version.event.calledAt, to: Math.min(...gone.map(({ event }) => event.settledAt)) }];
    });
  }

  /** A read with nothing in flight showed this value: it is the last. What failed and does not show never was, or lies below it. */
  seen(matches: (value: V) => boolean, at: number): void {
    const shown = this.#last().findLast(({ value }) => matches(value));
    if (shown === undefined) return;
    const { event } = shown;
    const settled = event.settledAt === Infinity ? { ...event, endedAt: at, settledAt: at } : event;
    this.#versions = this.#versions.filter((version) => version !== shown);
    this.#versions.push({ value: shown.value, event: settled, rank: this.#rank + 1 });
  }

  /** The store says that it has lost it: nothing may be read until it is written again. */
  lost(): void {
    this.#versions = [];
  }

  /** The operation's value is among those that it had, or may have had. */
  remembers(event: Event): boolean {
    return this.#versions.some((version) => version.event === event);
  }

  /** Whether the operation's value, or a later one, is what was found. */
  holds(event: Event, matches: (value: V) => boolean): 'yes' | 'no' | 'either' {
    const own = this.#versions.find((version) => version.event === event);
    const found = this.#versions.filter(({ value }) => matches(value));
    // What failed and was not seen later on may never have been.
    const isOvertaken = own?.event.settledAt === Infinity && own.rank < this.#rank;
    if (own === undefined || isOvertaken) return 'either';
    // One that failed says nothing by what came behind it.
    const mayBeNone = own.event.settledAt === Infinity && own.event.endedAt !== Infinity;
    if (found.every((version) => version === own || (!mayBeNone && follows(version, own)))) return 'yes';
    return found.every((version) => follows(own, version)) ? 'no' : 'either';
  }

  /**
   * Recovery left this value. After a loss of power it is on the disk for good, and what came after it is gone; after a
   * killed process it is where it was, and what was under way and does not show may have been overwritten or not.
   */
  recovered(matches: (value: V) => boolean, at: number, onDisk: boolean): void {
    const only = this.#only;
    if (only !== undefined && (onDisk ? only.event.durable : only.event.settledAt <= at)) return;
    const found = this.#versions.findLast(({ value }) => matches(value));
    if (found === undefined) return;
    if (onDisk) {
      const event = { name: 'recovery', calledAt: at, endedAt: at, settledAt: at, durable: true };
      this.#versions = [{ value: found.value, event, rank: 0 }];
      return;
    }
    const last = this.#last().includes(found);
    this.#versions = this.#versions.map((version) => {
      const { event } = version;
      const rank = version === found && last ? this.#rank + 1 : version.rank;
      const settledAt = version === found ? Math.min(event.settledAt, at) : event.settledAt;
      if (event.endedAt !== Infinity && settledAt === event.settledAt) return { ...version, rank };
      return { value: version.value, event: { ...event, endedAt: Math.min(event.endedAt, at), settledAt }, rank };
    });
  }

  /**
   * Forgets what no crash brings back, once all that settled before `durableUntil` is durable, and what no read that began
   * at `oldest` or later may see.
   */
  forget(durableUntil: number, oldest: number): void {
    if (this.#only !== undefined) return;
    const durable = this.#versions.filter(
      ({ event }) => (event.durable || event.settledAt < durableUntil) && event.settledAt < oldest,
    );
    this.#versions = this.#versions.filter((version) => !durable.some((other) => follows(other, version)));
  }

  /** Its history in words, oldest first. */
  describe(print: (value: V) => string): string {
    return this.#versions
      .map(({ value, event, rank }) => {
        const end = event.settledAt === Infinity ? 'open' : `${event.settledAt}`;
        const seen = rank === 0 ? '' : ` seen ${rank}`;
        return `${print(value)} by ${event.name} [${event.calledAt}–${end}${event.durable ? ' durable' : ''}${seen}]`;
      })
      .join('; ');
  }

  get #rank(): number {
    return this.#versions.reduce((most, { rank }) => Math.max(most, rank), 0);
  }

  /** What may be the last of all. */
  #last(): readonly Version<V>[] {
    if (this.#versions.length === 1) return this.#versions;
    return this.#versions.filter((version) => !this.#versions.some((other) => follows(other, version)));
  }
}
