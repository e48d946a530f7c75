import { alignUp } from '@ashlar/core';
import type { Refcounts } from './refcounts.ts';

/**
 * Room for clusters that are compressed, one behind the other as QEMU packs them: a cluster of the file has parts of several, and one may go on in the
 * next.
 */
export class PackedRoom {
  readonly #refcounts: Refcounts;
  /** Where the next bytes go, inside a cluster of the file; 0: into a new one. */
  #next = 0;

  constructor(refcounts: Refcounts) {
    this.#refcounts = refcounts;
  }

  /** Gives an offset behind the bytes that were placed last, or at the beginning of a cluster. They are less than a cluster. */
  async take(length: number): Promise<number> {
    const refcounts = this.#refcounts;
    const { clusterBytes } = refcounts;
    let place = this.#next;
    if (place > 0 && (await refcounts.countAt(place)) >= refcounts.most) place = 0;
    const left = place === 0 ? 0 : alignUp(place, clusterBytes) - place;
    if (left < length) {
      const cluster = await refcounts.take(1);
      if (place > 0 && place + left === cluster) await refcounts.share(place);
      else place = cluster;
    } else await refcounts.share(place);
    const end = place + length;
    this.#next = end % clusterBytes === 0 ? 0 : end;
    return place;
  }

  /** One that lies there is given up: the cluster in which the next one would begin may be somebody else's soon. */
  dropped(offset: number, clusters: number): void {
    if (this.#next >= offset && this.#next < offset + clusters * this.#refcounts.clusterBytes) this.#next = 0;
  }
}
