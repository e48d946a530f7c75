import type { Settled } from '@ashlar/core';

/** What others in this thread may have as well. `release` once: the last one closes it. */
export type Shared<T> = { readonly value: T; release(): Promise<void> };

type Held<T> = { readonly opening: Promise<T>; count: number; closed: Promise<void> | undefined };

/** Files and devices that are open in this thread, each once however many parts of it are in use. */
export class Sharing<T> {
  readonly #close: (value: T) => Settled<void>;
  readonly #held = new Map<string, Held<T>>();

  constructor(close: (value: T) => Settled<void>) {
    this.#close = close;
  }

  /**
   * Opens what a name means where nobody here has it. Who writes shares it with those who write; who reads with those as well, or with those who read:
   * whoever reads alone keeps writers out, as `open` does it.
   */
  async open(name: string, readOnly: boolean, open: () => Settled<T>): Promise<Shared<T>> {
    const [writing, reading] = [`w:${name}`, `r:${name}`];
    const key = !readOnly || this.#held.has(writing) ? writing : reading;
    const there = this.#held.get(key);
    if (there?.closed !== undefined) {
      await there.closed.catch(() => undefined);
      return await this.open(name, readOnly, open);
    }
    const held = there ?? { opening: Promise.resolve().then(open), count: 0, closed: undefined };
    held.count += 1;
    this.#held.set(key, held);
    try {
      const value = await held.opening;
      return { value, release: () => this.#release(key, held, value) };
    } catch (error) {
      // The next one tries again.
      if (this.#held.get(key) === held) this.#held.delete(key);
      throw error;
    }
  }

  async #release(key: string, held: Held<T>, value: T): Promise<void> {
    held.count -= 1;
    if (held.count > 0) return;
    held.closed = Promise.resolve().then(() => this.#close(value));
    try {
      await held.closed;
    } finally {
      this.#held.delete(key);
    }
  }
}
