import { assert, isPromise, MiB, type Settled } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { blockSize } from './checksum.ts';

/** Memory is had from the host in pieces of this size, and cut up. */
const slabBytes = 2 * MiB;

/**
 * Aligned memory that is borrowed for one transfer: what goes to or comes from a direct file and lies where the device cannot
 * reach it. It is used again; as much is held as was ever borrowed at once, until `giveBack`.
 */
export class Scratch {
  readonly #host: Pick<Host, 'alignedBuffer'>;
  /** By the exponent of its size in blocks. */
  #idle: Uint8Array[][] = [];

  constructor(host: Pick<Host, 'alignedBuffer'>) {
    this.#host = host;
  }

  /** Lends at least that many bytes, in whole blocks, until `work` has settled; what is in them is anything. */
  use<T>(length: number, work: (memory: Uint8Array) => Settled<T>): Settled<T> {
    const memory = this.#take(length);
    let result: Settled<T>;
    try {
      result = work(memory);
    } catch (error) {
      this.#give(memory);
      throw error;
    }
    if (isPromise(result)) return result.finally(() => this.#give(memory));
    this.#give(memory);
    return result;
  }

  #take(length: number): Uint8Array {
    const exponent = exponentOf(length);
    const idle = (this.#idle[exponent] ??= []);
    if (idle.length === 0) this.#fill(idle, blockSize * 2 ** exponent);
    const memory = idle.pop();
    assert(memory !== undefined && memory.length >= length, 'memory that is borrowed is large enough');
    return memory;
  }

  #give(memory: Uint8Array): void {
    this.#idle[exponentOf(memory.length)]?.push(memory);
  }

  /** Lets go of what nobody has borrowed. */
  giveBack(): void {
    this.#idle = [];
  }

  #fill(idle: Uint8Array[], size: number): void {
    if (size >= slabBytes) {
      idle.push(this.#host.alignedBuffer(size));
      return;
    }
    const slab = this.#host.alignedBuffer(slabBytes);
    for (let at = slabBytes - size; at >= 0; at -= size) idle.push(slab.subarray(at, at + size));
  }
}

function exponentOf(length: number): number {
  return Math.max(0, Math.ceil(Math.log2(length / blockSize)));
}
