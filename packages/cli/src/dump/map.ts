import { AshlarError } from '@ashlar/core';
import type { MapRow, PoolInspection } from '@ashlar/store';
import { readCatalogue } from '@ashlar/volume';
import { Rows } from './rows.ts';
import { bitsOf, ranges } from './words.ts';

/** Bits in a word of a map's bitmaps. */
const wordBits = 32;

function rowOf(row: MapRow, chunkSizeBytes: number): object {
  if (row.kind === 'damaged') return row;
  const { pieces, zeroLow, zeroHigh } = row.entry;
  return {
    chunk: row.chunk,
    offset: row.chunk * chunkSizeBytes,
    pieces: pieces.map(({ slot, birth, low, high, packed }) => ({
      slot,
      birth,
      blocks: ranges(bitsOf([low, high], wordBits)),
      ...(packed === 0 ? {} : { compressedIn: packed }),
    })),
    reserved: ranges(bitsOf([zeroLow, zeroHigh], wordBits)),
  };
}

function textOf(row: MapRow, chunkSizeBytes: number): string {
  if (row.kind === 'damaged') {
    return `chunks ${ranges([row.chunk, row.endChunk - 1])}: UNKNOWN, page ${row.page} is damaged`;
  }
  const { pieces, zeroLow, zeroHigh } = row.entry;
  const parts = pieces.map(
    ({ slot, birth, low, high, packed }) =>
      `blocks ${ranges(bitsOf([low, high], wordBits))} in slot ${slot} (birth ${birth}${packed === 0 ? '' : `, compressed in ${packed} blocks`})`,
  );
  const reserved = ranges(bitsOf([zeroLow, zeroHigh], wordBits));
  if (reserved !== '') parts.push(`room kept for blocks ${reserved}`);
  return `chunk ${row.chunk} at ${row.chunk * chunkSizeBytes}: ${parts.join('; ')}`;
}

/** The map of a volume as the last checkpoint committed it. */
export async function dumpMap(inspection: PoolInspection, name: string, json: boolean | undefined): Promise<void> {
  const { volumes } = await readCatalogue(inspection);
  const volume = volumes.find((each) => each.name === name);
  if (volume === undefined) {
    const hint = "'ashlar debug dump record' shows those there are";
    throw new AshlarError('not-found', `there is no volume '${name}' in this pool: ${hint}`, { volume: name });
  }
  const { storeId, objectId } = volume;
  const { chunkSizeBytes } = inspection;
  const record = inspection.objectRecord(storeId, objectId);
  const facts = { volume: name, store: storeId, object: objectId, chunkSizeBytes, record };
  const text =
    record === undefined
      ? `volume ${name}: object ${objectId} of store ${storeId}, in the journal only`
      : `volume ${name}: object ${objectId} of store ${storeId}, ${record.sizeBytes} bytes, ${record.blocks} blocks mapped`;
  const rows = new Rows(json, facts, 'chunks', text);
  if (record !== undefined) {
    await inspection.walkMap(record, (row) => rows.add(rowOf(row, chunkSizeBytes), textOf(row, chunkSizeBytes)));
  }
  rows.end('nothing is mapped');
}
