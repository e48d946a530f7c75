import { AshlarError, type ObjectStore } from '@ashlar/core';
import { catalogueRange, parseRecord, type Counts, type VolumeRecord } from './records.ts';
import type { Export, VolumeSnapshot } from './types.ts';

type Contents = {
  readonly volumes: readonly VolumeRecord[];
  readonly exports: readonly Export[];
  readonly snapshots: readonly VolumeSnapshot[];
  /** False for a pool that never had a catalogue. */
  readonly recorded: boolean;
};

/** Records in one scan. */
const scanLimit = 1000;

/** Reads the catalogue's records and changes nothing. Throws `corrupt` when some are missing, `unsupported` for later versions. */
export async function readCatalogue(records: Pick<ObjectStore, 'scanRecords'>): Promise<Contents> {
  const volumes: VolumeRecord[] = [];
  const exports: Export[] = [];
  const snapshots: VolumeSnapshot[] = [];
  let counts: Counts | undefined;
  for (let from: Uint8Array | undefined = catalogueRange.from; from !== undefined;) {
    const found = await records.scanRecords(from, catalogueRange.to, scanLimit);
    for (const { key, value } of found) {
      const record = parseRecord(key, value);
      if (record.kind === 'volume') volumes.push(record.value);
      else if (record.kind === 'export') exports.push(record.value);
      else if (record.kind === 'snapshot') snapshots.push(record.value);
      else counts = record.value;
    }
    const last = found.at(-1);
    from = last === undefined || found.length < scanLimit ? undefined : Uint8Array.of(...last.key, 0);
  }
  const found = { volumes: volumes.length, exports: exports.length, snapshots: snapshots.length };
  checkCounts(counts ?? { volumes: 0, exports: 0, snapshots: 0 }, found);
  return { volumes, exports, snapshots, recorded: counts !== undefined };
}

const describe = ({ volumes, exports, snapshots }: Counts): string =>
  `${volumes} volumes, ${exports} exports and ${snapshots} snapshots`;

function checkCounts(expected: Counts, found: Counts): void {
  if (describe(expected) === describe(found)) return;
  throw new AshlarError(
    'corrupt',
    `the catalogue should hold ${describe(expected)}, and ${describe(found)} were found: nothing is served and nothing was changed; run 'ashlar check'`,
  );
}
