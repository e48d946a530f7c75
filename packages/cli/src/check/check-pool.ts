import { AshlarError, systemStore, type ObjectId, type StoreId } from '@ashlar/core';
import type { PoolInspection, PoolReport, Problem } from '@ashlar/store';
import { readCatalogue, type Volume } from '@ashlar/volume';

type Damage = readonly { readonly offset: number; readonly length: number }[];

type VolumeCheck = {
  readonly name: string;
  readonly sizeBytes: number;
  /** Bytes that were read and verified. */
  readonly dataBytes: number;
  /** Runs of blocks that cannot be read as they were written. */
  readonly damage: Damage;
};

export type PoolCheck = {
  readonly ok: boolean;
  readonly path: string;
  readonly volumes: readonly VolumeCheck[];
  /** Objects that no volume names and that have damaged blocks. */
  readonly otherDamage: readonly { readonly object: ObjectId; readonly damage: Damage }[];
  /** Stores that no volume names: the next start removes them. */
  readonly strayStores: readonly StoreId[];
  /** Everything else that is wrong; at most a thousand are listed. */
  readonly problems: readonly (Problem | CatalogueProblem)[];
  readonly problemCount: number;
  /** Frames of the journal that the next start brings home. */
  readonly journalFrames: number;
};

type CatalogueProblem = { readonly kind: 'catalogue'; readonly sentence: string };

/** Told as data is read: bytes of `totalBytes` allocated. */
export type Progress = (doneBytes: number, totalBytes: number) => void;

/** Reads and verifies everything in the pool, and says of which volume it is. */
export async function checkPool(inspection: PoolInspection, progress: Progress): Promise<PoolCheck> {
  const report = await inspection.check(progress);
  const catalogue = await volumesOf(inspection);
  const { volumes } = catalogue;
  const problems = [...report.problems, ...catalogue.problems];
  const named = new Set(volumes.map(({ objectId }) => objectId));
  const otherDamage = [...report.damage]
    .filter(([object]) => !named.has(object))
    .map(([object, damage]) => ({ object, damage }));
  return {
    ok: problems.length === 0 && report.damage.size === 0,
    path: inspection.path,
    volumes: volumes.map((volume) => volumeCheck(volume, report)),
    otherDamage,
    strayStores: catalogue.problems.length > 0 ? [] : strayStores(inspection, volumes),
    problems,
    problemCount: report.problemCount + catalogue.problems.length,
    journalFrames: report.journalFrames,
  };
}

function volumeCheck({ name, sizeBytes, objectId }: Volume, { readBytes, damage }: PoolReport): VolumeCheck {
  return { name, sizeBytes, dataBytes: readBytes.get(objectId) ?? 0, damage: damage.get(objectId) ?? [] };
}

/** A catalogue that cannot be read is a problem among others: the rest of the pool was checked all the same. */
async function volumesOf(
  inspection: PoolInspection,
): Promise<{ readonly volumes: readonly Volume[]; readonly problems: readonly CatalogueProblem[] }> {
  try {
    const { volumes } = await readCatalogue(inspection);
    return { volumes, problems: [] };
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error;
    return { volumes: [], problems: [{ kind: 'catalogue', sentence: error.message }] };
  }
}

function strayStores(inspection: PoolInspection, volumes: readonly Volume[]): StoreId[] {
  const named = new Set([systemStore, ...volumes.map(({ storeId }) => storeId)]);
  const found: StoreId[] = [];
  for (const { kind, numbers } of inspection.records()) {
    const [store] = numbers;
    if (kind === 'store' && store !== undefined && !named.has(store)) found.push(store);
  }
  return found;
}
