import { AshlarError } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';

/**
 * That all records of a pool's database were looked at, or that the pool was closed and opened again, in this boot of the machine. What a killed
 * process leaves the page cache has, so the next one need not look before it opens the database; what ends a process that has just opened it
 * is looked at by the next. Not durable: a loss of power is another boot.
 */
export class Seen {
  readonly #host: Host;
  readonly #path: string;

  /** `path`: of the pool. */
  constructor(host: Host, path: string) {
    this.#host = host;
    this.#path = `${path}/records-seen`;
  }

  /** Whether that is so; it is not from now on. */
  take(): boolean {
    if (this.#host.stat(this.#path) === undefined) return false;
    try {
      return this.#isSame();
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
      return false;
    }
  }

  #isSame(): boolean {
    const file = this.#host.open(this.#path, { readOnly: true });
    const bootId = Buffer.from(this.#host.bootId());
    const found = Buffer.alloc(bootId.length);
    try {
      file.readSync(0, found);
      return file.size() === bootId.length && bootId.equals(found);
    } finally {
      file.close();
      this.#host.unlink(this.#path);
    }
  }

  /** Where that cannot be written the next start looks. */
  async put(): Promise<void> {
    let file: HostFile | undefined;
    try {
      file = this.#host.open(this.#path, { create: true });
      await file.write(0, Buffer.from(this.#host.bootId()));
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
    } finally {
      file?.close();
    }
  }
}
