import type { RecordChange } from '@ashlar/core';
import { SortedNames } from './sorted-names.ts';

/** Changes by the names of their keys. */
type Changes = { readonly values: Map<string, Uint8Array | null>; readonly names: SortedNames };

const noChanges = (): Changes => ({ values: new Map(), names: new SortedNames() });

/** Keys are kept as latin1, which sorts as bytes do. */
const nameOf = (key: Uint8Array): string =>
  (key instanceof Buffer ? key : Buffer.from(key.buffer, key.byteOffset, key.length)).toString('latin1');

const changeOf = (name: string, value: Uint8Array | null): RecordChange => ({
  key: Buffer.from(name, 'latin1'),
  value,
});

/** Record changes that are journaled and not yet in the record store. */
export class RecordOverlay {
  #active = noChanges();
  #frozen: Changes | undefined;

  get isEmpty(): boolean {
    return this.#active.values.size === 0 && this.#frozen === undefined;
  }

  apply(changes: readonly RecordChange[]): void {
    for (const { key, value } of changes) set(this.#active, nameOf(key), value === null ? null : Buffer.from(value));
  }

  /** The value, which is nobody's to change, `null` where it is deleted, nothing where the record store must be asked. */
  get(key: Uint8Array): Uint8Array | null | undefined {
    if (this.isEmpty) return undefined;
    const name = nameOf(key);
    const active = this.#active.values.get(name);
    return active === undefined ? this.#frozen?.values.get(name) : active;
  }

  /** Changes to keys in [from, to), sorted, with values that are nobody's to change: to be gone through before anything else is changed. */
  *range(from: Uint8Array, to: Uint8Array): Generator<RecordChange> {
    const first = nameOf(from);
    const behind = nameOf(to);
    const frozen = this.#frozen ?? noChanges();
    const active = this.#active.names.from(first);
    const earlier = frozen.names.from(first);
    for (;;) {
      const one = active.names[active.at];
      const other = earlier.names[earlier.at];
      const name = one === undefined || (other !== undefined && other < one) ? other : one;
      if (name === undefined || name >= behind) return;
      if (name === one) active.at += 1;
      if (name === other) earlier.at += 1;
      yield changeOf(name, (name === one ? this.#active : frozen).values.get(name)!);
    }
  }

  freeze(): void {
    this.#frozen = this.#active;
    this.#active = noChanges();
  }

  get frozen(): RecordChange[] {
    return [...(this.#frozen?.values ?? [])].map(([name, value]) => changeOf(name, value));
  }

  thaw(): void {
    this.#frozen = undefined;
  }

  unfreeze(): void {
    const later = this.#active;
    this.#active = this.#frozen ?? noChanges();
    for (const [name, value] of later.values) set(this.#active, name, value);
    this.#frozen = undefined;
  }
}

function set({ names, values }: Changes, name: string, value: Uint8Array | null): void {
  const before = values.size;
  values.set(name, value);
  if (values.size !== before) names.add(name);
}
