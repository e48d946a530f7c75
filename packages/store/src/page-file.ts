import { AshlarError, andThen, type Settled } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { LRUCache } from 'lru-cache';
import { blockSize, checksumOf } from './checksum.ts';
import type { PageRef } from './format/page-ref.ts';
import { SlotBitmap } from './slot-bitmap.ts';

/** A page in memory with the view that reads its numbers. Never changed once it is cached. */
export type Page = { readonly bytes: Uint8Array; readonly view: DataView };

export function pageOf(bytes: Uint8Array): Page {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/** The file of immutable map and checksum pages, its allocator, and the cache of set size in front of it. */
export class PageFile {
  readonly allocator = new SlotBitmap();
  readonly #file: HostFile;
  readonly #cache: LRUCache<number, Page>;
  readonly #freed: number[] = [];
  readonly #written: number[] = [];
  #corruptPages = 0;

  constructor(file: HostFile, cacheBytes: number) {
    this.#file = file;
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
    const cached = this.#cache.get(ref.page);
    if (cached !== undefined) return cached;
    const bytes = new Uint8Array(blockSize);
    return andThen(this.#file.read(ref.page * blockSize, bytes), (count) => {
      if (count < blockSize || checksumOf(bytes) !== ref.checksum) {
        this.#corruptPages += 1;
        throw new AshlarError('corrupt', `page ${ref.page} of the pool's map is damaged; run: ashlar check`, {
          path: this.#file.path,
        });
      }
      const page = pageOf(bytes);
      this.#cache.set(ref.page, page);
      return page;
    });
  }

  /** Writes a page to a fresh place. It may not change afterwards. */
  async write(page: Page, birth: number): Promise<PageRef> {
    const place = this.allocator.allocate();
    try {
      await this.#file.write(place * blockSize, page.bytes);
    } catch (error) {
      this.allocator.release(place);
      throw error;
    }
    this.allocator.setDurable(place, true);
    this.#written.push(place);
    this.#cache.set(place, page);
    return { page: place, birth, checksum: checksumOf(page.bytes) };
  }

  /** The next commit does not refer to it any more; `releaseFreed` gives it back behind that commit. */
  free(ref: PageRef): void {
    this.allocator.setDurable(ref.page, false);
    this.#freed.push(ref.page);
  }

  /** The checkpoint failed: what it wrote is free again, what it freed is not. */
  rollBack(): void {
    this.#freed.length = 0;
    this.allocator.rollBack();
    for (const page of this.#written.splice(0)) {
      this.#cache.delete(page);
      this.allocator.release(page);
    }
  }

  /** Rule 1(e): only behind a durable commit. */
  releaseFreed(): void {
    this.#written.length = 0;
    this.allocator.committed();
    for (const page of this.#freed.splice(0)) {
      this.#cache.delete(page);
      this.allocator.release(page);
    }
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }
}
