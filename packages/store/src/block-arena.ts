import { assert } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { blockSize } from './checksum.ts';

const blocksEach = 1024;
const regionBytes = blocksEach * blockSize;

/**
 * Numbered blocks of memory in regions of 4 MiB, and a checksum a block. Regions that are empty stay for the blocks to
 * come, as new memory costs the kernel as much as the copy into it, until `giveBack`.
 */
export class BlockArena {
  readonly #host: Pick<Host, 'alignedBuffer' | 'populatedBuffer'>;
  readonly #regions: (Region | undefined)[] = [];
  readonly #withRoom: number[] = [];
  #used = 0;
  /** Memory for the next region, made while the last one fills. */
  #next: Uint8Array | undefined;
  #preparing = false;

  constructor(host: Pick<Host, 'alignedBuffer' | 'populatedBuffer'>) {
    this.#host = host;
  }

  /** Bytes of blocks in use. */
  get usedBytes(): number {
    return this.#used * blockSize;
  }

  /** Bytes held from the system. */
  get heldBytes(): number {
    return this.#regions.reduce((sum, region) => sum + (region === undefined ? 0 : blocksEach * blockSize), 0);
  }

  allocate(): number {
    let index = this.#withRoom.at(-1);
    if (index === undefined) {
      index = this.#regions.indexOf(undefined);
      if (index < 0) index = this.#regions.length;
      this.#regions[index] = new Region(this.#next ?? this.#host.alignedBuffer(regionBytes));
      this.#next = undefined;
      this.#withRoom.push(index);
    }
    const region = this.#at(index);
    const block = region.take();
    if (region.free === 0) this.#withRoom.pop();
    if (this.#withRoom.length <= 1 && region.free < blocksEach / 2 && this.#next === undefined) this.#prepare();
    this.#used += 1;
    return index * blocksEach + block;
  }

  release(block: number): void {
    const index = Math.floor(block / blocksEach);
    const region = this.#at(index);
    if (region.free === 0) this.#withRoom.push(index);
    region.give(block % blocksEach);
    this.#used -= 1;
  }

  #prepare(): void {
    if (this.#preparing) return;
    this.#preparing = true;
    const done = (memory: Uint8Array | undefined): void => {
      this.#preparing = false;
      this.#next = memory;
    };
    this.#host.populatedBuffer(regionBytes).then(done, () => done(undefined));
  }

  /** Lets go of the regions that are empty. */
  giveBack(): void {
    this.#next = undefined;
    for (const [index, region] of this.#regions.entries()) {
      if (region?.free !== blocksEach) continue;
      this.#regions[index] = undefined;
      this.#withRoom.splice(this.#withRoom.indexOf(index), 1);
    }
  }

  bytes(block: number): Uint8Array {
    return this.#at(Math.floor(block / blocksEach)).block(block % blocksEach);
  }

  /** Copies a part of a block to `into` at `at`. */
  copyOut(block: number, from: number, to: number, into: Uint8Array, at: number): void {
    const start = (block % blocksEach) * blockSize;
    into.set(this.#at(Math.floor(block / blocksEach)).bytes.subarray(start + from, start + to), at);
  }

  checksum(block: number): number {
    return this.#at(Math.floor(block / blocksEach)).checksums[block % blocksEach] ?? 0;
  }

  setChecksum(block: number, checksum: number): void {
    this.#at(Math.floor(block / blocksEach)).checksums[block % blocksEach] = checksum;
  }

  #at(index: number): Region {
    const region = this.#regions[index];
    assert(region !== undefined, 'a block of the arena is used only while it is allocated');
    return region;
  }
}

class Region {
  readonly bytes: Uint8Array;
  /** A view a block, made once: one for each write would be most of what the collector has to do. */
  readonly #views: Uint8Array[] = [];
  readonly checksums = new Uint32Array(blocksEach);
  readonly #stack = new Uint16Array(blocksEach);
  free = blocksEach;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    // Taken from the top: low numbers first, so that one batch is one run of memory.
    for (let index = 0; index < blocksEach; index += 1) this.#stack[index] = blocksEach - 1 - index;
  }

  block(index: number): Uint8Array {
    return (this.#views[index] ??= this.bytes.subarray(index * blockSize, (index + 1) * blockSize));
  }

  take(): number {
    this.free -= 1;
    return this.#stack[this.free] ?? 0;
  }

  give(block: number): void {
    this.#stack[this.free] = block;
    this.free += 1;
  }
}
