import { Damage, type SnapshotDamage } from '../damage.ts';
import { hasBit } from '../format/map-leaf.ts';
import { rootOf } from '../kept.ts';
import { walkMap } from './map-rows.ts';
import type { PoolFiles } from './pool-files.ts';
import { statesOf } from './states.ts';

/** Damaged blocks that are known one by one. */
const mostDamaged = 1 << 20;

/** Blocks of slots that do not verify. What lies in them, of objects and of snapshots, is looked for only where there are some. */
export class DamagedSlots {
  readonly #slots = new Map<number, { low: number; high: number }>();
  #count = 0;

  add(slot: number, block: number): void {
    this.#count += 1;
    if (this.#count > mostDamaged) return;
    const bits = this.#slots.get(slot) ?? { low: 0, high: 0 };
    if (block < 32) bits.low |= 1 << block;
    else bits.high |= 1 << (block - 32);
    this.#slots.set(slot, bits);
  }

  /** How many are not known one by one. */
  get unlisted(): number {
    return Math.max(0, this.#count - mostDamaged);
  }

  /** Walks every map. Adds what is damaged of objects to `live`, and gives what is of snapshots. */
  async attribute(pool: PoolFiles, live: Damage): Promise<readonly SnapshotDamage[]> {
    const found: SnapshotDamage[] = [];
    if (this.#slots.size === 0) return found;
    for (const { store, object, snapshot, record } of statesOf(pool)) {
      const damage = snapshot === undefined ? live : new Damage(pool.superblock.chunkSizeBytes);
      await walkMap(pool, rootOf(record), (row) => {
        if (row.kind !== 'chunk') return;
        for (const piece of row.entry.pieces) {
          const bits = this.#slots.get(piece.slot);
          for (let block = 0; bits !== undefined && block < pool.blocksEach; block += 1) {
            if (!hasBit(bits, block) || !hasBit(piece, block)) continue;
            damage.addBlock(store, object, row.chunk * pool.blocksEach + block);
          }
        }
      });
      if (snapshot !== undefined) found.push(...damage.found().map((each) => ({ ...each, snapshot })));
    }
    return found;
  }
}
