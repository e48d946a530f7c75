import type { Host } from '@ashlar/host';
import { PoolInspection } from '@ashlar/store';
import type { CheckedPool, RestingPool, Rot, RotTarget } from '@ashlar/testing';

const path = '/pool';
const blockBytes = 4096;

/** What lies on the disk of a simulated pool, and what `ashlar check` says of it. */
export const poolRot: Rot = { targets, check };

/** Looks into a pool that nobody has open. */
export async function inspect<T>(
  { host, openRecords }: RestingPool,
  look: (inspection: PoolInspection) => Promise<T>,
): Promise<T> {
  const inspection = PoolInspection.open(host, path, { openRecords });
  try {
    return await look(inspection);
  } finally {
    await inspection.close();
  }
}

/** Whether there is a pool yet. */
export function isMade(host: Host): boolean {
  return host.stat(`${path}/ashlar.pool`) !== undefined;
}

type Root = { readonly page: number } | undefined;

async function targets(pool: RestingPool): Promise<readonly RotTarget[]> {
  return await inspect(pool, async (inspection) => {
    const found: RotTarget[] = [];
    const { chunkSizeBytes } = inspection;
    const page = (kind: 'page' | 'checksums', root: Root): void => {
      if (root === undefined) return;
      found.push({ kind, path: `${path}/pages`, offset: root.page * blockBytes, length: blockBytes });
    };
    const rows = [...inspection.records()];
    // What only snapshots have that are being deleted is gone any moment.
    const isKept = ([store, , snapshot]: readonly number[]): boolean =>
      rows.some(
        ({ kind, numbers, value }) =>
          kind === 'snapshot' &&
          numbers[0] === store &&
          numbers[1] === snapshot &&
          !(value as { readonly isDropped: boolean }).isDropped,
      );
    for (const { kind, numbers, value } of rows) {
      if (kind === 'pool') page('checksums', (value as { readonly checksumRoot: Root }).checksumRoot);
      if (kind !== 'object' && (kind !== 'kept' || !isKept(numbers))) continue;
      const record = value as Parameters<PoolInspection['walkMap']>[0];
      page('page', record.root);
      await inspection.walkMap(record, (row) => {
        if (row.kind !== 'chunk') return;
        for (const { slot, low, high, packed } of row.entry.pieces) {
          // What is compressed lies in the first blocks of its slot, and is read as a whole.
          const isRead = (block: number): boolean =>
            packed > 0 ? block < packed : (((block < 32 ? low : high) >>> (block % 32)) & 1) !== 0;
          const place = inspection.placeOf(slot)!;
          for (let block = 0; block < chunkSizeBytes / blockBytes; block += 1) {
            if (!isRead(block)) continue;
            const offset = place.offset + block * blockBytes;
            found.push({ kind: 'data', path: place.path, offset, length: blockBytes });
          }
        }
      });
    }
    const journal = await inspection.journal();
    const frames = [...journal.frames()];
    // What a loss of power took of the frame behind may have been the only copy of a header.
    const copied = new Set(frames.filter(({ isMended }) => !isMended).map(({ number }) => number - 1));
    for (const { number, segment, offset, headerBytes, dataBlocks } of frames) {
      // The end of the journal may be cut off by a loss of power: only what was promised must be there.
      if (number > journal.durable) continue;
      if (copied.has(number)) found.push({ kind: 'frame-header', path: segment, offset, length: headerBytes });
      if (dataBlocks === 0) continue;
      found.push({ kind: 'frame-data', path: segment, offset: offset + headerBytes, length: dataBlocks * blockBytes });
    }
    return found;
  });
}

async function check(pool: RestingPool): Promise<CheckedPool> {
  return await inspect(pool, async (inspection) => {
    const { problems, damage, snapshotDamage } = await inspection.check();
    const all = [...damage, ...snapshotDamage];
    return {
      isWhole: problems.length === 0 && all.length === 0,
      misses: problems.some(({ kind }) => kind === 'page-damaged' || kind === 'checksum-page-damaged'),
      damage: all,
    };
  });
}
