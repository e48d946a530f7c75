import type { Scheduler, Timer } from '@ashlar/core';
import { encodeRecord } from './table-record.ts';
import type { TableRow, TableRows } from './table-rows.ts';
import type { TableSearch } from './table-search.ts';

type Parts = {
  readonly rows: TableRows;
  readonly search: TableSearch;
  readonly scheduler: Scheduler;
};

const hourMs = 3_600_000;
/** Between passes over the table. The first comes an hour after a start, so that what is mounted late is there. */
const passMs = 24 * hourMs;
/** Rows that are looked at together, and what goes by between: a pass takes no worker's time from clients. */
const rowsAtOnce = 64;
const pauseMs = 1000;
/** Passes that must not find a file, one behind the other, until its row goes. */
const mostMisses = 7;

/**
 * Takes the rows of files that others removed out of a table of handles. Where such a file is nobody can say, since one that was moved to another directory may be found there by its
 * name, and has its handle again. So a row goes when its file was in none of its directories for so many passes, while those could all be read or were gone as well: all that time its handle was stale.
 */
export class TableSweep {
  readonly #parts: Parts;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  begin(): void {
    this.#after(hourMs, undefined);
  }

  /** Settles when nothing is looked at any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #after(delayMs: number, behind: Uint8Array | undefined): void {
    if (this.#isClosed) return;
    this.#timer = this.#parts.scheduler.after(delayMs, () => {
      this.#running = this.#run(behind);
    });
  }

  async #run(behind: Uint8Array | undefined): Promise<void> {
    // What cannot be looked at or written down now is so in the next pass.
    const last = await this.#some(behind).catch(() => undefined);
    if (last === undefined) this.#after(passMs, undefined);
    else this.#after(pauseMs, last);
  }

  async #some(behind: Uint8Array | undefined): Promise<Uint8Array | undefined> {
    const { rows, search } = this.#parts;
    const { last, rows: some } = await rows.behind(behind, rowsAtOnce);
    // That of the root has no place, and is not looked for.
    for (const row of await search.missing(some.filter(({ record }) => record.places.length > 0))) {
      if (this.#isClosed) return undefined;
      await this.#missed(row);
    }
    return last;
  }

  /** Unless somebody found it since it was looked for. */
  #missed({ inode, record }: TableRow): Promise<void> {
    const { rows } = this.#parts;
    return rows.turn(inode, async () => {
      const now = await rows.get(inode, record.id);
      if (now === undefined || Buffer.compare(encodeRecord(now), encodeRecord(record)) !== 0) return;
      const misses = record.misses + 1;
      if (misses < mostMisses) await rows.put(inode, { ...record, misses }, false);
      else await rows.drop(inode, record.id);
    });
  }
}
