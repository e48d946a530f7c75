import { countBits, type ChunkEntry } from '../format/map-leaf.ts';

/** The bits of blocks below `count` in a word whose first bit is block `first`. */
function maskBelow(count: number, first: number): number {
  const bits = Math.max(0, Math.min(32, count - first));
  return (bits === 32 ? 0xffffffff : (1 << bits) - 1) >>> 0;
}

/** What is wrong with a chunk's entry, of which `inside` blocks are in the object; the rest of a sentence, or nothing. */
export function checkEntry({ pieces, zeroLow, zeroHigh }: ChunkEntry, inside: number): string | undefined {
  let low = zeroLow;
  let high = zeroHigh;
  let overlap = 0;
  for (const piece of pieces) {
    overlap |= (low & piece.low) | (high & piece.high);
    low |= piece.low;
    high |= piece.high;
  }
  if (overlap !== 0) return 'has a block in two places';
  if (((low & ~maskBelow(inside, 0)) | (high & ~maskBelow(inside, 32))) !== 0) {
    return 'has blocks behind the end of its object';
  }
  if ((zeroLow | zeroHigh) !== 0 && pieces.every(({ packed }) => packed > 0)) return 'keeps room in no slot';
  if (pieces.some((piece) => piece.packed > 0 && countBits(piece) === 0))
    return 'has a compressed piece without blocks';
  return undefined;
}

/** What is wrong with an entry beside that of the state in front of it; the rest of a sentence, or nothing. Slots that both have are never written to. */
export function checkShared({ pieces }: ChunkEntry, before: ChunkEntry): string | undefined {
  for (const piece of pieces) {
    const other = before.pieces.find(({ slot }) => slot === piece.slot);
    if (other === undefined) continue;
    if (other.birth !== piece.birth)
      return `has slot ${piece.slot} with another birth than the snapshot in front of it`;
    if (other.packed !== piece.packed)
      return `has slot ${piece.slot} compressed otherwise than the snapshot in front of it`;
    if (((piece.low & ~other.low) | (piece.high & ~other.high)) !== 0) {
      return `has more in slot ${piece.slot} than the snapshot in front of it`;
    }
  }
  return undefined;
}
