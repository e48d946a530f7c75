import { AshlarError, systemStore, type ObjectId, type SnapshotId, type StoreId } from '@ashlar/core';
import type { Named, PoolInspection, PoolReport, Problem } from '@ashlar/store';
import { readCatalogue, type Volume, type VolumeSnapshot } from '@ashlar/volume';
import { adviceFor, anewAdvice } from './advice.ts';

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
  /** What is damaged in snapshots: each is the newest one of those that have the same. */
  readonly snapshotDamage: readonly {
    readonly volume: string | undefined;
    readonly object: ObjectId;
    readonly snapshot: SnapshotId;
    /** The newest that has it, by its name. */
    readonly name: string | undefined;
    readonly damage: Damage;
  }[];
  /** Stores that no volume names: the next start removes them. */
  readonly strayStores: readonly StoreId[];
  /** Everything else that is wrong; at most a thousand are listed. */
  readonly problems: readonly FoundProblem[];
  readonly problemCount: number;
  /** Of those, what `check --repair` mends. */
  readonly mendableCount: number;
  /** Frames of the journal that the next start brings home. */
  readonly journalFrames: number;
};

type CatalogueProblem = { readonly kind: 'catalogue'; readonly sentence: string; readonly mend: 'none' };

/** `advice`: what becomes of it, or what is left to do. */
export type FoundProblem = (Problem | CatalogueProblem) & { readonly advice: string };

/** What is left, with what there was before and what of it was mended. */
export type PoolRepair = PoolCheck & {
  /** What was wrong with the database, where it was made anew of its log first. */
  readonly madeAnew?: string;
  readonly before: Pick<PoolCheck, 'ok' | 'problems' | 'problemCount' | 'mendableCount'>;
  readonly mended: readonly FoundProblem[];
};

/** Told as data is read: bytes of `totalBytes` allocated. */
export type Progress = (doneBytes: number, totalBytes: number) => void;

/** Reads and verifies everything in the pool, and says of which volume it is. `hasLog`: damaged records can be made anew. */
export async function checkPool(inspection: PoolInspection, progress: Progress, hasLog: boolean): Promise<PoolCheck> {
  const catalogue = await volumesOf(inspection);
  const report = await inspection.check({ progress, named: catalogue.named });
  const found = poolCheck(inspection, report, catalogue);
  return hasLog ? withLog(found) : found;
}

/** What is wrong with records is not, in a database that is made anew. */
function withLog(found: PoolCheck): PoolCheck {
  const isMended = ({ kind }: FoundProblem): boolean => kind === 'record-damaged';
  const more = found.problems.filter((problem) => isMended(problem) && problem.mend !== 'repair').length;
  const mended = (problem: FoundProblem): FoundProblem =>
    isMended(problem) ? ({ ...problem, mend: 'repair', advice: anewAdvice } as FoundProblem) : problem;
  return { ...found, problems: found.problems.map(mended), mendableCount: found.mendableCount + more };
}

/** The same, mends what leaves no doubt, and says what is left. The pool was opened alone. */
export async function repairPool(inspection: PoolInspection, progress: Progress): Promise<PoolRepair> {
  const catalogue = await volumesOf(inspection);
  const { before, mended, after } = await inspection.repair({ progress, named: catalogue.named });
  const { ok, problems, problemCount, mendableCount } = poolCheck(inspection, before, catalogue);
  return {
    ...poolCheck(inspection, after, await volumesOf(inspection)),
    before: { ok, problems, problemCount, mendableCount },
    mended: mended.map(withAdvice),
  };
}

const withAdvice = <T extends Problem | CatalogueProblem>(problem: T): T & { readonly advice: string } => ({
  ...problem,
  advice: adviceFor(problem.kind, problem.mend),
});

function poolCheck(inspection: PoolInspection, report: PoolReport, catalogue: Catalogue): PoolCheck {
  const { volumes } = catalogue;
  const problems = [...report.problems, ...catalogue.problems].map(withAdvice);
  const volumeOf = ({ store, object }: Place): Volume | undefined =>
    volumes.find(({ storeId, objectId }) => storeId === store && objectId === object);
  const otherDamage = report.damage.filter((place) => volumeOf(place) === undefined);
  const snapshotDamage = report.snapshotDamage.map(({ store, object, snapshot, damage }) => {
    const volume = volumeOf({ store, object });
    // That one may be deleted: then one before it has it as well.
    const has = catalogue.snapshots.filter((each) => each.volume === volume?.uuid && each.snapshotId <= snapshot);
    const newest = has.toSorted((a, b) => a.snapshotId - b.snapshotId).at(-1);
    return { volume: volume?.name, object, snapshot, name: newest?.name, damage };
  });
  return {
    ok: problems.length === 0 && report.damage.length + report.snapshotDamage.length === 0,
    path: inspection.path,
    volumes: volumes.map((volume) => volumeCheck(volume, report)),
    otherDamage: otherDamage.map(({ object, damage }) => ({ object, damage })),
    snapshotDamage,
    strayStores: catalogue.problems.length > 0 ? [] : strayStores(inspection, volumes),
    problems,
    problemCount: report.problemCount + catalogue.problems.length,
    mendableCount: report.mendableCount,
    journalFrames: report.journalFrames,
  };
}

type Place = { readonly store: StoreId; readonly object: ObjectId };

function volumeCheck({ name, sizeBytes, storeId, objectId }: Volume, { read, damage }: PoolReport): VolumeCheck {
  const isIt = ({ store, object }: Place): boolean => store === storeId && object === objectId;
  const dataBytes = read.find(isIt)?.readBytes ?? 0;
  return { name, sizeBytes, dataBytes, damage: damage.find(isIt)?.damage ?? [] };
}

type Catalogue = {
  readonly volumes: readonly Volume[];
  readonly snapshots: readonly VolumeSnapshot[];
  readonly problems: readonly CatalogueProblem[];
  readonly named: Named;
};

/**
 * A catalogue that cannot be read is a problem among others: the rest of the pool was checked all the same. One that was never made, or of which
 * nothing is left, says of nothing that nobody wants it.
 */
async function volumesOf(inspection: PoolInspection): Promise<Catalogue> {
  try {
    const { volumes, snapshots, recorded } = await readCatalogue(inspection);
    const named = {
      objects: volumes.map(({ storeId, objectId }) => ({ store: storeId, object: objectId })),
      snapshots: snapshots.flatMap(({ volume, snapshotId }) =>
        volumes.filter(({ uuid }) => uuid === volume).map(({ storeId }) => ({ store: storeId, snapshot: snapshotId })),
      ),
    };
    return { volumes, snapshots, problems: [], named: recorded ? named : 'unknown' };
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error;
    const problem = { kind: 'catalogue', sentence: error.message, mend: 'none' } as const;
    return { volumes: [], snapshots: [], problems: [problem], named: 'unknown' };
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
