import type { BlockCache } from './block-cache.ts';
import type { SlotBitmap } from './slot-bitmap.ts';

/** A slot that nothing refers to. What is still remembered of its earlier life is forgotten. */
export function takeSlot({ slots, cache }: { readonly slots: SlotBitmap; readonly cache: BlockCache }): number {
  const slot = slots.allocate();
  cache.dropSlot(slot);
  return slot;
}

/**
 * Writes into fresh slots that have not ended. A slot that a checkpoint frees meanwhile is given out again only behind them:
 * the device takes two transfers to one place in any order.
 */
export class SlotWrites {
  readonly #inFlight = new Map<number, number>();
  #waiting: (() => void)[] = [];

  begin(slot: number): void {
    this.#inFlight.set(slot, (this.#inFlight.get(slot) ?? 0) + 1);
  }

  end(slot: number): void {
    const left = (this.#inFlight.get(slot) ?? 0) - 1;
    if (left > 0) {
      this.#inFlight.set(slot, left);
      return;
    }
    this.#inFlight.delete(slot);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  isBusy(slot: number): boolean {
    return this.#inFlight.has(slot);
  }

  /** Settles when none of the slots is written to. */
  async idle(slots: readonly number[]): Promise<void> {
    if (this.#inFlight.size === 0) return;
    for (const slot of slots) {
      while (this.#inFlight.has(slot)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}
