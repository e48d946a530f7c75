import { assert } from '@ashlar/core';
import { IoVector, maximumParts } from '../ffi/iovec.ts';
import { addressOf } from '../ffi/memory.ts';
import { sendMemory, sendVector } from '../ffi/socket.ts';

/** Bytes under which a send is copied: up to here a copy costs less than another part of a vectored send. */
const copyLimit = 16 * 1024;

const blockBytes = 64 * 1024;
const spareBlocks = 64;
const sentPartsKept = 256;

/** A piece of memory for copies of small sends. */
type Block = {
  readonly bytes: Uint8Array;
  readonly start: number;
  /** Bytes taken from the start. */
  used: number;
  /** Parts of it that are not out yet. */
  parts: number;
};

/** The copy blocks that no connection uses now. An idle connection has none. */
export class BlockPool {
  readonly #spare: Block[] = [];

  take(): Block {
    const spare = this.#spare.pop();
    if (spare !== undefined) return spare;
    const bytes = new Uint8Array(new ArrayBuffer(blockBytes));
    return { bytes, start: addressOf(bytes), used: 0, parts: 0 };
  }

  give(block: Block): void {
    block.used = 0;
    if (this.#spare.length < spareBlocks) this.#spare.push(block);
  }
}

type Part = {
  start: number;
  length: number;
  readonly block: Block | undefined;
  /** The memory of a send that was not copied, held until the part is out. */
  readonly bytes: Uint8Array | undefined;
  readonly released: (() => void) | undefined;
};

const vector = new IoVector(maximumParts);

/** What a connection has yet to send, in order: copies of small sends joined into blocks, large ones where they are. */
export class SendQueue {
  readonly #pool: BlockPool;
  readonly #parts: Part[] = [];
  #first = 0;
  /** The block that copies go to now. */
  #block: Block | undefined;
  /** Bytes queued. */
  bytes = 0;

  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  add(bytes: Uint8Array, released: (() => void) | undefined): void {
    const { byteLength: length } = bytes;
    if (length < copyLimit) {
      if (length > 0) this.#copy(bytes);
      released?.();
      return;
    }
    this.#parts.push({ start: addressOf(bytes), length, block: undefined, bytes, released });
    this.bytes += length;
  }

  #copy(bytes: Uint8Array): void {
    const { byteLength } = bytes;
    const block = this.#block;
    if (block !== undefined && block.used + byteLength <= blockBytes) {
      block.bytes.set(bytes, block.used);
      this.#append(block, byteLength);
      return;
    }
    for (let done = 0; done < byteLength;) {
      const room = this.#roomy();
      const count = Math.min(byteLength - done, blockBytes - room.used);
      room.bytes.set(bytes.subarray(done, done + count), room.used);
      this.#append(room, count);
      done += count;
    }
  }

  #roomy(): Block {
    const block = this.#block;
    if (block !== undefined && block.used < blockBytes) return block;
    this.#block = this.#pool.take();
    if (block?.parts === 0) this.#pool.give(block);
    return this.#block;
  }

  /** What was just copied joins the last part, or is one of its own. */
  #append(block: Block, length: number): void {
    const start = block.start + block.used;
    block.used += length;
    this.bytes += length;
    const last = this.#parts.at(-1);
    if (last?.block === block) last.length += length;
    else {
      block.parts += 1;
      this.#parts.push({ start, length, block, bytes: undefined, released: undefined });
    }
  }

  /** Sends until the queue is empty or the socket takes no more: 0, or minus errno. `bytes` tells what is left. */
  send(descriptor: number): number {
    while (this.bytes > 0) {
      const offered = this.#offer();
      const count =
        vector.count === 1
          ? sendMemory(descriptor, this.#parts[this.#first]!.start, offered)
          : sendVector(descriptor, vector);
      if (count < 0) return count;
      this.#take(count);
      if (count < offered) return 0;
    }
    return 0;
  }

  #offer(): number {
    vector.clear();
    for (let index = this.#first; index < this.#parts.length && !vector.full; index++) {
      const part = this.#parts[index]!;
      vector.add(part.start, part.length);
    }
    return vector.total;
  }

  #take(count: number): void {
    assert(count <= this.bytes, 'no more is sent than was queued');
    this.bytes -= count;
    let rest = count;
    while (rest > 0) {
      const part = this.#parts[this.#first]!;
      if (rest < part.length) {
        part.start += rest;
        part.length -= rest;
        return;
      }
      rest -= part.length;
      this.#first += 1;
      this.#finish(part);
    }
    if (this.#first === this.#parts.length) this.#reset();
    else if (this.#first >= sentPartsKept) {
      this.#parts.splice(0, this.#first);
      this.#first = 0;
    }
  }

  #finish({ block, released }: Part): void {
    if (block !== undefined) {
      block.parts -= 1;
      if (block.parts === 0 && block !== this.#block) this.#pool.give(block);
    }
    released?.();
  }

  #reset(): void {
    this.#parts.length = 0;
    this.#first = 0;
    if (this.#block !== undefined) this.#pool.give(this.#block);
    this.#block = undefined;
  }

  /** Gives everything back unsent. */
  clear(): void {
    const parts = this.#parts.slice(this.#first);
    this.bytes = 0;
    for (const part of parts) this.#finish(part);
    this.#reset();
  }
}
