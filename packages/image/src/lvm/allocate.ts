import { AshlarError, assert } from '@ashlar/core';
import { allocatedRuns, freeRuns, type PhysicalVolume, type VolumeGroup } from './group.ts';

/** A place on a physical volume, by its key. */
export type Place = { readonly key: string; readonly start: number };

/** So many extents on each of the places: one place for what is linear, one a stripe for what is striped. */
export type Piece = { readonly places: readonly Place[]; readonly extentsEach: number };

export type Wanted = {
  /** Extents in all, a multiple of `stripes`. */
  readonly extents: number;
  readonly stripes: number;
  /** Keys of the physical volumes that may be used; undefined: all. */
  readonly allowed: ReadonlySet<string> | undefined;
  /** In one run on each of its volumes. */
  readonly contiguous: boolean;
  /** Where what is extended ends: it goes on there where that is free. */
  readonly after?: readonly Place[];
};

type Run = { start: number; count: number };

type Free = { readonly key: string; readonly runs: Run[] };

/** Extents that may be used on the volumes that may be. */
export function freeCount(group: VolumeGroup, allowed: ReadonlySet<string> | undefined): number {
  return freeOf(group, allowed).reduce((sum, { runs }) => sum + countOf(runs), 0);
}

const countOf = (runs: readonly Run[]): number => runs.reduce((sum, { count }) => sum + count, 0);

function freeOf(group: VolumeGroup, allowed: ReadonlySet<string> | undefined): Free[] {
  const allocated = allocatedRuns(group);
  const isUsable = ({ key, status }: PhysicalVolume): boolean =>
    status.includes('ALLOCATABLE') && (allowed?.has(key) ?? true);
  return group.physicalVolumes
    .filter(isUsable)
    .map((volume) => ({ key: volume.key, runs: freeRuns(volume, allocated.get(volume.key) ?? []) }));
}

/** Finds room. Throws `no-space`, in lvm2's words. */
export function allocate(group: VolumeGroup, wanted: Wanted): Piece[] {
  const { after, contiguous, extents, stripes } = wanted;
  assert(extents > 0 && extents % stripes === 0, 'each stripe has as many extents');
  const free = freeOf(group, wanted.allowed);
  const total = free.reduce((sum, { runs }) => sum + countOf(runs), 0);
  if (total < extents) {
    const how = `Volume group "${group.name}" has insufficient free space (${total} extents): ${extents} required.`;
    throw new AshlarError('no-space', how);
  }
  let left = extents / stripes;
  const pieces: Piece[] = [];
  const take = (volumes: readonly Free[], starts: readonly Run[]): void => {
    const extentsEach = Math.min(left, ...starts.map(({ count }) => count));
    const places = volumes.map(({ key }, at) => ({ key, start: starts[at]!.start }));
    pieces.push({ places, extentsEach });
    for (const [at, { runs }] of volumes.entries()) shorten(runs, starts[at]!, extentsEach);
    left -= extentsEach;
  };
  const going = after === undefined ? undefined : goingOn(free, after);
  if (going !== undefined && (!contiguous || going.every(({ run }) => run.count >= left))) {
    take(
      going.map(({ volume }) => volume),
      going.map(({ run }) => run),
    );
  }
  if (contiguous && going === undefined && after !== undefined) throw noRoom(group, wanted);
  while (left > 0) {
    const found = nextOf(free, stripes, left, contiguous);
    if (found === undefined) throw noRoom(group, wanted);
    take(
      found,
      found.map(({ runs }) => largest(runs, left)),
    );
  }
  return pieces;
}

function noRoom({ name }: VolumeGroup, { contiguous, extents, stripes }: Wanted): AshlarError {
  const what = contiguous ? 'contiguous extents' : `extents on ${stripes} physical volumes`;
  return new AshlarError('no-space', `Insufficient suitable ${what} for ${extents} more in volume group "${name}".`);
}

/** The runs that begin where what is extended ends, one a stripe. */
function goingOn(free: readonly Free[], after: readonly Place[]) {
  const found = after.flatMap(({ key, start }) => {
    const volume = free.find((each) => each.key === key);
    const run = volume?.runs.find((each) => each.start === start);
    return volume === undefined || run === undefined ? [] : [{ volume, run }];
  });
  return found.length === after.length && found.length > 0 ? found : undefined;
}

/** The run that is used next: the first that is long enough, else the longest. */
function largest(runs: readonly Run[], wanted: number): Run {
  const fitting = runs.find(({ count }) => count >= wanted);
  return fitting ?? runs.reduce((most, run) => (run.count > most.count ? run : most));
}

/** As many volumes as there are stripes: the first that have it all in one run, else those with the most. */
function nextOf(free: readonly Free[], stripes: number, wanted: number, contiguous: boolean): Free[] | undefined {
  const usable = free.filter(({ runs }) => runs.length > 0);
  const whole = usable.filter(({ runs }) => largest(runs, wanted).count >= wanted);
  if (whole.length >= stripes) return whole.slice(0, stripes);
  if (contiguous || usable.length < stripes) return undefined;
  // The order of the sort is that of the group among those that have as much.
  return usable.toSorted((one, other) => countOf(other.runs) - countOf(one.runs)).slice(0, stripes);
}

function shorten(runs: Run[], run: Run, count: number): void {
  if (run.count === count) runs.splice(runs.indexOf(run), 1);
  else {
    run.start += count;
    run.count -= count;
  }
}
