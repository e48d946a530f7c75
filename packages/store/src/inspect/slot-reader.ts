import { andThen, type Settled } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { blockSize } from '../checksum.ts';
import { fileBytes } from '../data-files.ts';
import type { Scratch } from '../scratch.ts';
import { openToRead } from './open-to-read.ts';

/** The slots of a pool's data files, to look at: makes and changes nothing. */
export class SlotReader {
  /** One above the highest slot that the files have a place for. */
  readonly end: number;
  readonly #scratch: Scratch;
  readonly #slotBytes: number;
  readonly #files = new Map<number, HostFile>();

  constructor(host: Host, directory: string, slotBytes: number, scratch: Scratch) {
    this.#scratch = scratch;
    this.#slotBytes = slotBytes;
    let last = -1;
    for (const name of host.stat(directory) === undefined ? [] : host.list(directory)) {
      if (!/^\d+$/.test(name)) continue;
      this.#files.set(Number(name), openToRead(host, `${directory}/${name}`));
      last = Math.max(last, Number(name));
    }
    this.end = (last + 1) * (fileBytes / slotBytes);
  }

  /** The path of the file that a slot lies in and where it begins there; nothing where the file is missing. */
  placeOf(slot: number): { readonly path: string; readonly offset: number } | undefined {
    const file = this.#files.get(Math.floor((slot * this.#slotBytes) / fileBytes));
    return file === undefined ? undefined : { path: file.path, offset: (slot * this.#slotBytes) % fileBytes };
  }

  /** Reads whole blocks of one slot from `block` on; what is behind the end of its file, or in none, is zeros. */
  read(slot: number, block: number, into: Uint8Array): Settled<number> {
    const file = this.#files.get(Math.floor((slot * this.#slotBytes) / fileBytes));
    if (file === undefined) {
      into.fill(0);
      return 0;
    }
    const offset = ((slot * this.#slotBytes) % fileBytes) + block * blockSize;
    if (file.accepts(into)) return andThen(file.read(offset, into), (count) => zerosBehind(into, count));
    return this.#scratch.use(into.length, (memory) =>
      andThen(file.read(offset, memory.subarray(0, into.length)), (count) => {
        into.set(memory.subarray(0, count));
        return zerosBehind(into, count);
      }),
    );
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }
}

function zerosBehind(into: Uint8Array, count: number): number {
  into.fill(0, count);
  return count;
}
