import type { BlockReads } from '@ashlar/block';
import { AshlarError, isPowerOfTwo, MiB } from '@ashlar/core';
import type { ChunkMap } from './chunk-reads.ts';
import { sectorBytes } from './label.ts';

/**
 * The store of a snapshot (drivers/md/dm-snap-persistent.c), little endian. Its first chunk begins with
 *
 *   0 "SnAp" u32 · 4 valid u32 · 8 version u32, 1 · 12 sectors of a chunk u32
 *
 * Behind it come areas: a chunk of entries, the chunk of the origin u64 and that of the store u64, and then as many chunks as it has entries. An entry
 * of zeros ends the last one.
 */
const magic = 0x7041_6e53;
const version = 1;
const entryBytes = 16;
/** Of what is kept in memory. */
const mostEntries = 16 * 1024 * 1024;

/** What a snapshot has: of the chunks that changed since, what the store has; else what the origin has. Throws `corrupt`. */
export async function snapshotMap(store: BlockReads, origin: BlockReads, name: string): Promise<ChunkMap> {
  const head = Buffer.alloc(sectorBytes);
  await store.read(0, head);
  const found = head.readUInt32LE(0);
  // What was never used has nothing written.
  if (found === 0)
    return { sizeBytes: origin.sizeBytes, chunkBytes: MiB, locate: (chunk) => ({ device: origin, at: chunk * MiB }) };
  const fault = (how: string): AshlarError => new AshlarError('corrupt', `the snapshot '${name}' ${how}`);
  if (found !== magic) throw fault('has a store that is none');
  if (head.readUInt32LE(8) !== version) throw fault('is of a version that is not known');
  if (head.readUInt32LE(4) === 0) throw fault('is not valid any more: its store was full');
  const chunkBytes = head.readUInt32LE(12) * sectorBytes;
  if (!isPowerOfTwo(chunkBytes) || chunkBytes < 4096 || chunkBytes > 16 * MiB)
    throw fault('has chunks of a size that cannot be');
  const changed = await changedChunks(store, chunkBytes, fault);
  return {
    sizeBytes: origin.sizeBytes,
    chunkBytes,
    locate: (chunk) => {
      const place = changed.get(chunk);
      return place === undefined
        ? { device: origin, at: chunk * chunkBytes }
        : { device: store, at: place * chunkBytes };
    },
  };
}

async function changedChunks(store: BlockReads, chunkBytes: number, fault: (how: string) => AshlarError) {
  const changed = new Map<number, number>();
  const entries = chunkBytes / entryBytes;
  const chunks = Math.floor(store.sizeBytes / chunkBytes);
  const area = Buffer.alloc(chunkBytes);
  for (let at = 1; at < chunks; at += entries + 1) {
    await store.read(at * chunkBytes, area);
    for (let entry = 0; entry < chunkBytes; entry += entryBytes) {
      const place = area.readBigUInt64LE(entry + 8);
      if (place === 0n) return changed;
      if (place >= BigInt(chunks)) throw fault('has a chunk outside of its store');
      if (changed.size >= mostEntries) throw fault('has more chunks than can be kept in memory');
      changed.set(Number(area.readBigUInt64LE(entry)), Number(place));
    }
  }
  return changed;
}
