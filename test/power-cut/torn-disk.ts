import { closeSync, openSync, writeSync } from 'node:fs';
import { assert } from '@ashlar/core';
import type { SeededRandom } from '@ashlar/testing';
import type { Entry, Recording } from './recording.ts';

/** How writes are torn. */
export type Tears = {
  /** What is there whole or not at all. */
  readonly sectorBytes: number;
  /** At the beginning of the disk what one write brings is as well. */
  readonly untornBytes: number;
};

/** What becomes of a write that was not flushed: of those that stay, some are torn. */
type Fate = 'lost' | 'whole' | 'torn';

/** Makes disks as cuts of the power leave them, at ever later positions of one recording. */
export class TornDisk {
  readonly #recording: Recording;
  readonly #durable: number;
  readonly #tears: Tears;
  #position = 0;
  #unflushed: Entry[] = [];

  /** `durablePath`: the disk as it was when the recording began. It becomes what is durable at the last cut. */
  constructor(recording: Recording, durablePath: string, tears: Tears) {
    this.#recording = recording;
    this.#tears = tears;
    this.#durable = openSync(durablePath, 'r+');
  }

  /** Brings the disk to what is durable at that position. What is written behind the last flush before it may be there or not. */
  advance(position: number): void {
    assert(position >= this.#position && position <= this.#recording.length, 'cuts come in order');
    for (; this.#position < position; this.#position += 1) {
      const entry = this.#recording.entry(this.#position);
      if (entry.kind === 'write') this.#unflushed.push(entry);
      else for (const each of this.#unflushed.splice(0)) this.#apply(this.#durable, each);
    }
  }

  /**
   * Adds to a copy of the durable disk what a cut leaves of what was not flushed: nothing, all, those that were written first, or any,
   * and of any of them some of its sectors. Gives in words what it left.
   */
  tear(path: string, random: SeededRandom): string {
    const disk = openSync(path, 'r+');
    const fates = this.#fates(random);
    for (const [index, entry] of this.#unflushed.entries()) {
      if (fates[index] === 'whole') this.#apply(disk, entry);
      else if (fates[index] === 'torn') this.#apply(disk, entry, () => random.oneIn(2));
    }
    closeSync(disk);
    const count = (fate: Fate): number => fates.filter((each) => each === fate).length;
    return `${count('whole')} of ${fates.length} unflushed writes whole, ${count('torn')} torn`;
  }

  close(): void {
    closeSync(this.#durable);
    this.#recording.close();
  }

  #fates(random: SeededRandom): Fate[] {
    const kept = random.pick([0, 1, 4, 7, 8]);
    const end = random.oneIn(3) ? random.below(this.#unflushed.length + 1) : this.#unflushed.length;
    return this.#unflushed.map((_, index) => {
      if (index >= end || random.below(8) >= kept) return index === end && random.oneIn(2) ? 'torn' : 'lost';
      return kept < 8 && random.oneIn(4) ? 'torn' : 'whole';
    });
  }

  /** All of it, or the sectors that `keeps` says. */
  #apply(disk: number, entry: Entry, keeps?: () => boolean): void {
    const { offset, length } = entry;
    const bytes = this.#recording.bytesOf(entry);
    for (let at = 0; at < length;) {
      const count = keeps === undefined ? length : Math.min(this.#untornFrom(offset + at), length - at);
      if (keeps?.() !== false) assert(writeSync(disk, bytes, at, count, offset + at) === count, 'the disk has room');
      at += count;
    }
  }

  /** Bytes from there on of which a write brings all or none. */
  #untornFrom(offset: number): number {
    const { sectorBytes, untornBytes } = this.#tears;
    return Math.max(sectorBytes - (offset % sectorBytes), untornBytes - offset);
  }
}
