import { AshlarError, allDone, andThen, errorKindOf, isPromise, MiB, type Settled } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { LRUCache } from 'lru-cache';
import { blockSize, checksumOf } from './checksum.ts';
import type { PageRef } from './format/page-ref.ts';
import type { Scratch } from './scratch.ts';
import { SlotBitmap } from './slot-bitmap.ts';

/** A page in memory with the view that reads its numbers. Never changed once it is cached. */
export type Page = { readonly bytes: Uint8Array; readonly view: DataView };

export function pageOf(bytes: Uint8Array): Page {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/** Pages that are written together: neighbours in one transfer. */
const stagedPages = 256;

/** Pages that are lent and lie no further from each other are read together: what lies between them costs less than another transfer. */
const nearPages = 4;
const pagesTogether = 32;

/** The file's end is moved by so many bytes, none of which take room: a direct write behind it would hold the thread. */
const growBytes = 64 * MiB;

/** The file of immutable map and checksum pages, its allocator, and the cache of set size in front of it. */
export class PageFile {
  readonly allocator = new SlotBitmap();
  readonly #file: HostFile;
  readonly #scratch: Scratch;
  readonly #cache: LRUCache<number, Page>;
  readonly #freed: number[] = [];
  readonly #written: number[] = [];
  /** Written, and not yet on their way to the file. */
  readonly #staged = new Map<number, Page>();
  /** On their way from the file, once for everybody who asks. */
  readonly #reading = new Map<number, Promise<Page>>();
  #sizeBytes: number;
  #corruptPages = 0;

  constructor(host: Host, path: string, cacheBytes: number, scratch: Scratch) {
    this.#file = openDirect(host, path);
    this.#sizeBytes = this.#file.size();
    this.#scratch = scratch;
    // A page costs its bytes, its views and its place in the cache.
    this.#cache = new LRUCache({ max: Math.max(16, Math.floor(cacheBytes / (blockSize + 512))) });
  }

  get corruptPages(): number {
    return this.#corruptPages;
  }

  get cachedBytes(): number {
    return this.#cache.size * blockSize;
  }

  /** The page, verified against its reference. Fails with `corrupt`. */
  read(ref: PageRef): Settled<Page> {
    const there = this.#cache.get(ref.page) ?? this.#staged.get(ref.page);
    if (there !== undefined) return there;
    const underWay = this.#reading.get(ref.page);
    if (underWay !== undefined) return underWay;
    const page = this.#scratch.use(blockSize, (memory) =>
      andThen(this.#file.read(ref.page * blockSize, memory), (count) => this.#verified(ref, memory, count)),
    );
    if (isPromise(page)) return this.#shared(ref.page, page);
    this.#cache.set(ref.page, page);
    return page;
  }

  /**
   * Lends many pages until `look` has settled: they are read once and for one reader, past the cache, which keeps what is used. Those that lie near each
   * other come by one transfer. One that is not what its reference says, or cannot be read, is not there.
   */
  lend<T>(refs: readonly PageRef[], look: (pages: readonly (Page | undefined)[]) => T | Promise<T>): Promise<T> {
    const pages = refs.map(({ page }) => this.#cache.peek(page) ?? this.#staged.get(page));
    const missing = [...refs.keys()].filter((index) => pages[index] === undefined);
    missing.sort((one, other) => refs[one]!.page - refs[other]!.page);
    const { transfers, blocks, at } = transfersOf(missing.map((index) => refs[index]!.page));
    const lent = this.#scratch.use(Math.max(1, blocks) * blockSize, async (memory) => {
      const reading = transfers.map(async ({ first, count, to }) => {
        const into = memory.subarray(to * blockSize, (to + count) * blockSize);
        into.fill(0, await this.#readOrNone(first * blockSize, into));
      });
      await allDone(reading);
      for (const [order, index] of missing.entries()) {
        const bytes = memory.subarray(at[order]! * blockSize, (at[order]! + 1) * blockSize);
        if (isPage(refs[index]!, bytes, blockSize)) pages[index] = pageOf(bytes);
      }
      return look(pages);
    });
    return Promise.resolve(lent);
  }

  /** How many bytes there were; none where the disk fails. */
  async #readOrNone(offset: number, into: Uint8Array): Promise<number> {
    try {
      return await this.#file.read(offset, into);
    } catch (error) {
      if (errorKindOf(error) !== 'io') throw error;
      return 0;
    }
  }

  #damaged({ page }: PageRef): never {
    this.#corruptPages += 1;
    throw new AshlarError('corrupt', `page ${page} of the pool's map is damaged; run: ashlar check`, {
      path: this.#file.path,
    });
  }

  /** The page as it is on the disk, past the cache; nothing where that is not what its reference says. */
  async fromDisk(ref: PageRef): Promise<Page | undefined> {
    const staged = this.#staged.get(ref.page);
    if (staged !== undefined) return staged;
    return await this.#scratch.use(blockSize, async (memory) => {
      const count = await this.#readOrNone(ref.page * blockSize, memory);
      return isPage(ref, memory, count) ? pageOf(memory.slice(0, blockSize)) : undefined;
    });
  }

  /** It is cached unless its place was given back meanwhile: then what comes may be neither the old page nor the new one's. */
  #shared(place: number, page: Promise<Page>): Promise<Page> {
    this.#reading.set(place, page);
    const ended = (there?: Page): void => {
      if (this.#reading.get(place) !== page) return;
      this.#reading.delete(place);
      if (there !== undefined) this.#cache.set(place, there);
    };
    page.then(ended, () => ended());
    return page;
  }

  /** Nobody refers to the page any more. */
  #release(place: number): void {
    this.#cache.delete(place);
    this.#reading.delete(place);
    this.allocator.release(place);
  }

  #verified(ref: PageRef, memory: Uint8Array, count: number): Page {
    return isPage(ref, memory, count) ? pageOf(memory.slice()) : this.#damaged(ref);
  }

  /** Writes a page to a fresh place, with its neighbours at the latest by `flush`. It may not change afterwards. */
  write(page: Page, birth: number): Settled<PageRef> {
    const place = this.allocator.allocate();
    this.allocator.setDurable(place, true);
    this.#written.push(place);
    this.#cache.set(place, page);
    this.#staged.set(place, page);
    const ref = { page: place, birth, checksum: checksumOf(page.bytes) };
    return this.#staged.size < stagedPages ? ref : this.flush().then(() => ref);
  }

  /** Settles when every page that was written is in the file. */
  async flush(): Promise<void> {
    const places = [...this.#staged.keys()].sort((a, b) => a - b);
    const last = places.at(-1);
    if (last === undefined) return;
    this.#growTo((last + 1) * blockSize);
    await this.#scratch.use(places.length * blockSize, async (memory) => {
      for (const [index, place] of places.entries()) memory.set(this.#staged.get(place)!.bytes, index * blockSize);
      await allDone(this.#writeRuns(places, memory));
    });
    for (const place of places) this.#staged.delete(place);
  }

  /** Places that follow each other lie so in memory, and are one transfer. */
  #writeRuns(places: readonly number[], memory: Uint8Array): Promise<void>[] {
    const writing: Promise<void>[] = [];
    for (let start = 0, end = 0; start < places.length; start = end) {
      const first = places[start]!;
      for (end = start + 1; places[end] === first + end - start;) end += 1;
      const run = memory.subarray(start * blockSize, end * blockSize);
      writing.push(Promise.try(() => this.#file.write(first * blockSize, run)));
    }
    return writing;
  }

  #growTo(sizeBytes: number): void {
    if (sizeBytes <= this.#sizeBytes) return;
    this.#sizeBytes = Math.ceil(sizeBytes / growBytes) * growBytes;
    this.#file.truncate(this.#sizeBytes);
  }

  /** The next commit does not refer to it any more; `releaseFreed` gives it back behind that commit. */
  free(ref: PageRef): void {
    this.allocator.setDurable(ref.page, false);
    this.#freed.push(ref.page);
  }

  /** The checkpoint failed: what it wrote is free again, what it freed is not. */
  rollBack(): void {
    this.#freed.length = 0;
    this.#staged.clear();
    this.allocator.rollBack();
    for (const page of this.#written.splice(0)) this.#release(page);
  }

  /** Rule 1(e): only behind a durable commit. */
  releaseFreed(): void {
    this.#written.length = 0;
    this.allocator.committed();
    for (const page of this.#freed.splice(0)) this.#release(page);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }
}

const isPage = ({ checksum }: PageRef, memory: Uint8Array, count: number): boolean =>
  count >= blockSize && checksumOf(memory.length === blockSize ? memory : memory.subarray(0, blockSize)) === checksum;

/** A part of the file that is read at once, to memory from block `to` on. */
type Transfer = { readonly first: number; count: number; readonly to: number };

/** What reads all of these places, which are in order, to as many blocks of memory; and `at` which of those each place then is. */
function transfersOf(places: readonly number[]): {
  readonly transfers: readonly Transfer[];
  readonly blocks: number;
  readonly at: readonly number[];
} {
  const transfers: Transfer[] = [];
  const at: number[] = [];
  let last: Transfer | undefined;
  for (const place of places) {
    const count = last === undefined ? Infinity : place + 1 - last.first;
    if (last !== undefined && count <= pagesTogether && place - (last.first + last.count) < nearPages)
      last.count = count;
    else transfers.push((last = { first: place, count: 1, to: last === undefined ? 0 : last.to + last.count }));
    at.push(last.to + place - last.first);
  }
  return { transfers, blocks: last === undefined ? 0 : last.to + last.count, at };
}

/** Where a file system has no direct I/O the page cache is used, for this file always. */
function openDirect(host: Host, path: string): HostFile {
  try {
    return host.open(path, { create: true, direct: true });
  } catch (error) {
    if (errorKindOf(error) !== 'unsupported') throw error;
    return host.open(path, { create: true });
  }
}
