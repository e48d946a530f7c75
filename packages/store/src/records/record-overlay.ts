import type { RecordChange } from '@ashlar/core';

type Changes = Map<string, Uint8Array | null>;

/** Record changes that are journaled and not yet in the record store. Keys are kept as latin1, which sorts as bytes do. */
export class RecordOverlay {
  #active: Changes = new Map();
  #frozen: Changes | undefined;

  get isEmpty(): boolean {
    return this.#active.size === 0 && this.#frozen === undefined;
  }

  apply(changes: readonly RecordChange[]): void {
    for (const { key, value } of changes) {
      this.#active.set(Buffer.from(key).toString('latin1'), value === null ? null : Uint8Array.from(value));
    }
  }

  /** The value, `null` where it is deleted, nothing where the record store must be asked. */
  get(key: Uint8Array): Uint8Array | null | undefined {
    const name = Buffer.from(key).toString('latin1');
    const active = this.#active.get(name);
    return active === undefined ? this.#frozen?.get(name) : active;
  }

  /** Changes to keys in [from, to), sorted. */
  range(from: Uint8Array, to: Uint8Array): { key: Uint8Array; value: Uint8Array | null }[] {
    const first = Buffer.from(from).toString('latin1');
    const behind = Buffer.from(to).toString('latin1');
    const merged = new Map<string, Uint8Array | null>();
    for (const changes of [this.#frozen, this.#active]) {
      for (const [name, value] of changes ?? []) if (name >= first && name < behind) merged.set(name, value);
    }
    return [...merged]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => ({ key: Buffer.from(name, 'latin1'), value }));
  }

  freeze(): void {
    this.#frozen = this.#active;
    this.#active = new Map();
  }

  get frozen(): { key: Uint8Array; value: Uint8Array | null }[] {
    return [...(this.#frozen ?? [])].map(([name, value]) => ({ key: Buffer.from(name, 'latin1'), value }));
  }

  thaw(): void {
    this.#frozen = undefined;
  }

  unfreeze(): void {
    this.#active = new Map([...(this.#frozen ?? []), ...this.#active]);
    this.#frozen = undefined;
  }
}
