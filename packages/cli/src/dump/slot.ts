import type { PoolInspection, SlotView } from '@ashlar/store';
import { show } from '../output.ts';
import { bitsOf, hex, ranges } from './words.ts';

/** Bits in a word of a map's bitmaps. */
const wordBits = 32;

function rowOf({ blocks, referrers, ...facts }: SlotView): object {
  return {
    ...facts,
    referrers: referrers.map(({ low, high, packed, ...fields }) => ({
      ...fields,
      ...(packed === 0 ? {} : { compressedIn: packed }),
      blocks: ranges(bitsOf([low, high], wordBits)),
    })),
    blocks: blocks.map(({ block, checksum, found }) => ({
      block,
      checksum: checksum === undefined ? null : hex(checksum),
      found: hex(found),
      fits: checksum === found,
    })),
  };
}

function textOf({ slot, path, offset, isUsed, referrers, journal, blocks }: SlotView): string {
  const use = isUsed === undefined ? 'UNKNOWN, the record that says so is damaged' : isUsed ? 'in use' : 'free';
  const fitting = blocks.filter(({ checksum, found }) => checksum === found).map(({ block }) => block);
  return [
    `slot ${slot}: ${path} at ${offset}, ${use}`,
    ...referrers.map(({ store, object, snapshot, isDead, chunk, birth, low, high, packed }) => {
      const state = isDead ? ', being deleted' : snapshot === undefined ? '' : ` in snapshot ${snapshot}`;
      const owner = `object ${object} of store ${store}${state}`;
      return `  blocks ${ranges(bitsOf([low, high], wordBits))}: chunk ${chunk} of ${owner} (birth ${birth}${packed === 0 ? '' : `, compressed in ${packed} blocks`})`;
    }),
    ...journal.map(({ store, object, chunk }) => `  the journal: chunk ${chunk} of object ${object} of store ${store}`),
    ...(referrers.length + journal.length === 0 ? ['  nothing refers to it'] : []),
    `blocks that fit the checksum on record: ${fitting.length === 0 ? 'none' : ranges(fitting)}`,
    ...blocks.map(
      ({ block, checksum, found }) =>
        `  block ${block}: ${checksum === undefined ? 'unknown' : hex(checksum)} on record, ${hex(found)} found`,
    ),
  ].join('\n');
}

/** Everything that is known of one slot. */
export async function dumpSlot(inspection: PoolInspection, slot: number, json: boolean | undefined): Promise<void> {
  const view = await inspection.slot(slot);
  show(json, rowOf(view), () => textOf(view));
}
