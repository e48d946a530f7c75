export const blockBytes = 4096;

const slabBlocks = 256;

/**
 * Memory of a simulated machine, which is used again: to have new memory and to collect the old costs more than all that is
 * done with it. One is handed from a machine that has ended to the next.
 */
export class SimulatedMemory {
  /** A view for each block there is, those from `#next` on never given out on this machine. */
  readonly #blocks: Uint8Array[] = [];
  #next = 0;
  #free: Uint8Array[] = [];
  /** Buffers of processes, by length: nobody's, those of the process before this one, and of this one. */
  readonly #idle = new Map<number, Uint8Array[]>();
  #ended: Uint8Array[] = [];
  #lent: Uint8Array[] = [];

  /** A block of 4 KiB with anything in it. */
  block(): Uint8Array {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#next === this.#blocks.length) this.#grow();
    this.#next += 1;
    return this.#blocks[this.#next - 1]!;
  }

  /** Nobody looks at the block any more. */
  giveBlock(block: Uint8Array): void {
    this.#free.push(block);
  }

  /** A buffer of a process, with anything in it. */
  buffer(length: number): Uint8Array {
    const buffer = this.#idle.get(length)?.pop() ?? new Uint8Array(new ArrayBuffer(length));
    this.#lent.push(buffer);
    return buffer;
  }

  /**
   * The process has ended. Of one that was killed this moment something may still run until the next task of the machine: what it
   * had is used again when the next one has ended too.
   */
  endProcess(): void {
    for (const buffer of this.#ended) {
      const idle = this.#idle.get(buffer.length);
      if (idle === undefined) this.#idle.set(buffer.length, [buffer]);
      else idle.push(buffer);
    }
    this.#ended = this.#lent;
    this.#lent = [];
  }

  /** The machine has ended, and nobody looks at its disk any more. */
  endMachine(): void {
    this.endProcess();
    this.#next = 0;
    this.#free = [];
  }

  #grow(): void {
    const slab = new Uint8Array(slabBlocks * blockBytes);
    for (let at = 0; at < slab.length; at += blockBytes) this.#blocks.push(slab.subarray(at, at + blockBytes));
  }
}
