import { isPromise, type Settled } from '@ashlar/core';

/**
 * What is under way of each file. Reads and writes go side by side; what changes a file's size is alone, between those that came before and those that come
 * behind; and the bytes of a file that is gone are given to nobody before nothing is under way.
 */
export class FileGates {
  readonly #counts = new Map<number, number>();
  readonly #waiting = new Map<number, (() => void)[]>();
  /** Files that somebody is to have alone, or has: settles when that is over. */
  readonly #closed = new Map<number, Promise<void>>();

  /** Runs beside others, behind who is alone. */
  enter<T>(inode: number, operation: () => Settled<T>): Settled<T> {
    const closed = this.#closed.get(inode);
    if (closed !== undefined) return closed.then(() => this.enter(inode, operation));
    const result = operation();
    if (!isPromise(result)) return result;
    this.#counts.set(inode, (this.#counts.get(inode) ?? 0) + 1);
    return result.finally(() => this.#left(inode));
  }

  /** Runs when nothing else is under way; whoever comes meanwhile waits. */
  alone<T>(inode: number, operation: () => Settled<T>): Settled<T> {
    const before = this.#closed.get(inode);
    const result =
      before === undefined && !this.#counts.has(inode) ? operation() : this.#behind(inode, before, operation);
    if (!isPromise(result)) return result;
    const over = (): void => {
      if (this.#closed.get(inode) === closed) this.#closed.delete(inode);
    };
    const closed: Promise<void> = result.then(over, over);
    this.#closed.set(inode, closed);
    return result;
  }

  /** Settles when nothing of a file is under way. */
  async idle(inode: number): Promise<void> {
    for (let closed = this.#closed.get(inode); closed !== undefined; closed = this.#closed.get(inode)) await closed;
    await this.#quiet(inode);
  }

  async #behind<T>(inode: number, before: Promise<void> | undefined, operation: () => Settled<T>): Promise<T> {
    await before;
    await this.#quiet(inode);
    return await operation();
  }

  async #quiet(inode: number): Promise<void> {
    while (this.#counts.has(inode)) {
      await new Promise<void>((resolve) => {
        this.#waiting.set(inode, [...(this.#waiting.get(inode) ?? []), resolve]);
      });
    }
  }

  #left(inode: number): void {
    const left = this.#counts.get(inode)! - 1;
    if (left > 0) {
      this.#counts.set(inode, left);
      return;
    }
    this.#counts.delete(inode);
    const waiting = this.#waiting.get(inode) ?? [];
    this.#waiting.delete(inode);
    for (const resolve of waiting) resolve();
  }
}
