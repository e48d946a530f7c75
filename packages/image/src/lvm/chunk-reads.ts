import { checkLimit, OpenDevice, type BlockReads } from '@ashlar/block';
import { isPromise, MiB, type BlockSizes, type Extent, type Settled } from '@ashlar/core';
import { joinedExtents } from './joined-extents.ts';

/** Where a chunk's bytes are; nowhere: it reads as zeros. */
export type ChunkPlace = { readonly device: BlockReads; readonly at: number } | undefined;

export type ChunkMap = {
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  /** `chunk`: its number, inside the device. */
  locate(chunk: number): Settled<ChunkPlace>;
};

type Run = { readonly place: ChunkPlace; readonly from: number; length: number };

/** Chunks that are looked up for one answer about extents: what lies behind them is left for the next time. */
const mostExtentChunks = 4096;

/** A device whose chunks lie anywhere, and which is only read. It owns none of the devices that they lie on. */
export class ChunkReads extends OpenDevice implements BlockReads {
  readonly capabilities = {
    flush: 'native',
    extents: 'native',
    prefetch: 'emulated',
    multiConnection: 'native',
  } as const;
  readonly sizeBytes: number;
  readonly blockSizes: BlockSizes;
  readonly #map: ChunkMap;
  readonly #ended: () => Settled<void>;

  /** `ended`: when it is closed and nothing is in flight. */
  constructor(map: ChunkMap, ended: () => Settled<void>) {
    super();
    this.#map = map;
    this.#ended = ended;
    this.sizeBytes = map.sizeBytes;
    this.blockSizes = { minimum: 512, preferred: 4096, maximum: 32 * MiB, atomic: 512 };
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    this.check('read', offset, into.length);
    return this.inFlight.track(this.#read(offset, into));
  }

  async #read(offset: number, into: Uint8Array): Promise<void> {
    for (const { from, length, place } of await this.#runs(offset, into.length)) {
      const bytes = into.subarray(from, from + length);
      const reading = place === undefined ? void bytes.fill(0) : place.device.read(place.at, bytes);
      if (isPromise(reading)) await reading;
    }
  }

  /** Neighbours that lie beside each other are one run. */
  async #runs(offset: number, length: number): Promise<readonly Run[]> {
    const { chunkBytes } = this.#map;
    const runs: Run[] = [];
    for (let from = 0; from < length;) {
      const chunk = Math.floor((offset + from) / chunkBytes);
      const inside = offset + from - chunk * chunkBytes;
      const count = Math.min(chunkBytes - inside, length - from);
      const located = this.#map.locate(chunk);
      const found = isPromise(located) ? await located : located;
      const place = found === undefined ? undefined : { device: found.device, at: found.at + inside };
      const last = runs.at(-1);
      if (last !== undefined && goesOn(last, place)) last.length += count;
      else runs.push({ place, from, length: count });
      from += count;
    }
    return runs;
  }

  extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    this.check('extents', offset, length);
    checkLimit(limit);
    return length === 0 ? [] : this.inFlight.track(this.#extents(offset, length, limit));
  }

  async #extents(offset: number, length: number, limit: number): Promise<readonly Extent[]> {
    const runs = await this.#runs(offset, Math.min(length, mostExtentChunks * this.#map.chunkBytes));
    const pieces = runs.map(({ from, length: count, place }) => ({ ...place, offset: offset + from, length: count }));
    return await joinedExtents(pieces, limit);
  }

  /** Nothing comes of it. */
  prefetch(offset: number, length: number): void {
    this.check('prefetch', offset, length);
  }

  flush(): void {
    this.checkOpen('flush');
  }

  close(): Settled<void> {
    return this.end(this.#ended);
  }
}

function goesOn({ length, place }: Run, next: ChunkPlace): boolean {
  if (place === undefined || next === undefined) return place === next;
  return place.device === next.device && place.at + length === next.at;
}
