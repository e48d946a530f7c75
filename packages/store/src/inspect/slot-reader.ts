import { andThen, type Settled } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { blockSize } from '../checksum.ts';
import { offsetOn, requireLabel, slotsOn } from '../device-places.ts';
import { fileBytes } from '../file-places.ts';
import { decodeDeviceLabel } from '../format/device-label.ts';
import type { Scratch } from '../scratch.ts';
import { openToRead } from './open-to-read.ts';

/** Where a slot lies: a file, and where it begins there. */
type Place = { readonly file: HostFile; readonly offset: number };

/** The slots of a pool, to look at: makes and changes nothing. */
export class SlotReader {
  /** One above the highest slot that there is a place for. */
  readonly end: number;
  readonly #scratch: Scratch;
  readonly #files: readonly HostFile[];
  readonly #placeOf: (slot: number) => Place | undefined;

  private constructor(
    scratch: Scratch,
    files: readonly HostFile[],
    end: number,
    placeOf: (slot: number) => Place | undefined,
  ) {
    this.#scratch = scratch;
    this.#files = files;
    this.end = end;
    this.#placeOf = placeOf;
  }

  static ofFiles(host: Host, directory: string, slotBytes: number, scratch: Scratch): SlotReader {
    const files = new Map<number, HostFile>();
    for (const name of host.stat(directory) === undefined ? [] : host.list(directory)) {
      if (/^\d+$/.test(name)) files.set(Number(name), openToRead(host, `${directory}/${name}`));
    }
    const end = (Math.max(-1, ...files.keys()) + 1) * (fileBytes / slotBytes);
    return new SlotReader(scratch, [...files.values()], end, (slot) => {
      const file = files.get(Math.floor((slot * slotBytes) / fileBytes));
      return file === undefined ? undefined : { file, offset: (slot * slotBytes) % fileBytes };
    });
  }

  /** Fails with `not-found`, `denied`, and `invalid` where the device is not the pool's. */
  static ofDevice(host: Host, path: string, poolId: string, scratch: Scratch): SlotReader {
    const file = openToRead(host, path);
    try {
      const block = host.alignedBuffer(blockSize);
      const label = decodeDeviceLabel(block.subarray(0, file.readSync(0, block)), path);
      requireLabel(path, label, poolId);
      const end = slotsOn(file);
      return new SlotReader(scratch, [file], end, (slot) =>
        slot < end ? { file, offset: offsetOn(slot) } : undefined,
      );
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** The path of the file that a slot lies in and where it begins there; nothing where the file is missing. */
  placeOf(slot: number): { readonly path: string; readonly offset: number } | undefined {
    const place = this.#placeOf(slot);
    return place === undefined ? undefined : { path: place.file.path, offset: place.offset };
  }

  /** Reads whole blocks of one slot from `block` on; what is behind the end of its file, or in none, is zeros. */
  read(slot: number, block: number, into: Uint8Array): Settled<number> {
    const place = this.#placeOf(slot);
    if (place === undefined) {
      into.fill(0);
      return 0;
    }
    const { file } = place;
    const offset = place.offset + block * blockSize;
    if (file.accepts(into)) return andThen(file.read(offset, into), (count) => zerosBehind(into, count));
    return this.#scratch.use(into.length, (memory) =>
      andThen(file.read(offset, memory.subarray(0, into.length)), (count) => {
        into.set(memory.subarray(0, count));
        return zerosBehind(into, count);
      }),
    );
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}

function zerosBehind(into: Uint8Array, count: number): number {
  into.fill(0, count);
  return count;
}
