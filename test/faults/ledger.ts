import { AshlarError, type BlockDevice } from '@ashlar/core';
import type { SeededRandom } from '@ashlar/testing';
import { blockBytes, contents, versionIn } from './marked-blocks.ts';

/** Blocks that one read of the check covers. */
const blocksAtOnce = 256;

type Range = { readonly first: number; readonly count: number };

/** What a block may hold: the version that was acknowledged last, and one whose answer never came. Version 0 is zeros. */
type Block = { acknowledged: number; open: number | undefined };

/** Knows each acknowledged write of a device. */
export class Ledger {
  readonly #blocks: Block[];
  readonly #random: SeededRandom;
  readonly #busy = new Set<number>();
  #version = 0;
  #acknowledged = 0;

  constructor(sizeBytes: number, random: SeededRandom) {
    this.#blocks = Array.from({ length: sizeBytes / blockBytes }, () => ({ acknowledged: 0, open: undefined }));
    this.#random = random;
  }

  /** Operations that were answered. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Changes random ranges one after the other until an answer does not come. */
  async change(device: BlockDevice): Promise<void> {
    try {
      for (;;) {
        const range = this.#range();
        if (range === undefined) await device.flush();
        else await this.#one(device, range);
      }
    } catch (error) {
      if (!(error instanceof AshlarError) || error.kind !== 'closed') throw error;
    }
  }

  async #one(device: BlockDevice, { first, count }: Range): Promise<void> {
    const random = this.#random;
    const kind = random.below(10);
    this.#version += 1;
    const version = kind < 8 ? this.#version : 0;
    const blocks = this.#blocks.slice(first, first + count);
    for (const block of blocks) block.open = version;
    for (let at = first; at < first + count; at += 1) this.#busy.add(at);
    const durable = random.oneIn(8);
    const offset = first * blockBytes;
    const length = count * blockBytes;
    if (kind < 8) await device.write(offset, contents(version, first, count), durable);
    else if (kind === 8) await device.trim(offset, length, durable);
    else await device.zero(offset, length, random.oneIn(2) ? 'may-trim' : 'keep-allocated', durable);
    this.#acknowledged += 1;
    for (const block of blocks) {
      block.acknowledged = version;
      block.open = undefined;
    }
    for (let at = first; at < first + count; at += 1) this.#busy.delete(at);
    if (random.oneIn(30)) await device.flush();
  }

  /** Whole blocks that nothing in flight touches. */
  #range(): Range | undefined {
    const random = this.#random;
    const count = random.oneIn(5) ? random.between(16, 256) : random.between(1, 8);
    const first = random.below(this.#blocks.length - count);
    for (let at = first; at < first + count; at += 1) if (this.#busy.has(at)) return undefined;
    return { first, count };
  }

  /**
   * Reads everything. Gives what is not as it must be, in sentences; what may be either is from now on what was found.
   */
  async check(device: BlockDevice): Promise<string[]> {
    const wrong: string[] = [];
    const bytes = new Uint8Array(blocksAtOnce * blockBytes);
    for (let first = 0; first < this.#blocks.length; first += blocksAtOnce) {
      await device.read(first * blockBytes, bytes);
      for (let index = 0; index < blocksAtOnce; index += 1) {
        const sentence = this.#checkBlock(first + index, bytes.subarray(index * blockBytes, (index + 1) * blockBytes));
        if (sentence !== undefined) wrong.push(sentence);
      }
    }
    this.#busy.clear();
    return wrong;
  }

  #checkBlock(index: number, bytes: Uint8Array): string | undefined {
    const block = this.#blocks[index]!;
    const { acknowledged, open } = block;
    const found = versionIn(bytes, index);
    block.open = undefined;
    if (found === acknowledged) return undefined;
    if (open !== undefined && found === open) {
      block.acknowledged = open;
      return undefined;
    }
    return `block ${index} holds ${found ?? 'nothing that was ever written there'}; acknowledged ${acknowledged}, open ${open}`;
  }
}
