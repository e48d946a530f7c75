import { AshlarError, type ObjectId, type RecordStore, type SnapshotId, type StoreId } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { SeededRandom } from '../seeded-random.ts';
import type { Machine } from './machine.ts';
import type { MayBeLost } from './read-back.ts';
import { blockBytes } from './snapshot-model.ts';
import type { Volume } from './volume.ts';

/** The disk of a pool that nobody has open. */
export type RestingPool = {
  readonly host: Host;
  readonly openRecords: () => RecordStore;
  /** The device that its data lies on. */
  readonly device: string | undefined;
};

/** Where a machine has the device of its pool, if it has one. */
export const devicePath = '/device';

/** The disk of a machine whose process has ended. */
export function restingOn(machine: Machine): RestingPool {
  const { host } = machine;
  const openRecords = (): RecordStore => {
    if (machine.host !== host) throw new AshlarError('closed', 'the process that opens the records has ended');
    return machine.openRecords();
  };
  const device = host.stat(devicePath) === undefined ? undefined : devicePath;
  return { host, openRecords, device };
}

/** A place on the disk in which one bit may flip: [offset, offset + length) of a file. */
export type RotTarget = {
  /** Data and pages, of maps and of the table of checksums, are looked for where the pool was closed; frames of the journal where it was not. */
  readonly kind: 'data' | 'page' | 'checksums' | 'frame-header' | 'frame-data';
  readonly path: string;
  readonly offset: number;
  readonly length: number;
};

/** What a check says of a pool that nobody has open. */
export type CheckedPool = {
  /** Nothing at all is wrong. */
  readonly isWhole: boolean;
  /** A page is damaged: nobody knows of whom, or what it led to. */
  readonly misses: boolean;
  readonly damage: readonly {
    readonly store: StoreId;
    readonly object: ObjectId;
    /** The newest snapshot that has it; nothing for the object as it is now. */
    readonly snapshot?: SnapshotId;
    readonly damage: readonly { readonly offset: number; readonly length: number }[];
  }[];
};

/** What the simulation must know of the store to let its disk rot. */
export type Rot = {
  targets(pool: RestingPool): Promise<readonly RotTarget[]>;
  check(pool: RestingPool): Promise<CheckedPool>;
};

/** What has rotted, and each place of it in words. */
export type Rotten = { readonly kind: RotTarget['kind']; readonly flips: readonly string[] };

const mostFlips = 3;

/** Flips a bit in each of some places of one kind. Gives that kind and how it is told; nothing where there is no place. */
export function letRot(
  machine: Machine,
  random: SeededRandom,
  targets: readonly RotTarget[],
  wasClosed: boolean,
): Rotten | undefined {
  const possible = wasClosed
    ? (['data', 'data', 'data', 'page', 'checksums'] as const)
    : (['frame-header', 'frame-data'] as const);
  const kinds = possible.filter((each) => targets.some((target) => target.kind === each));
  if (kinds.length === 0) return undefined;
  const kind = random.pick(kinds);
  const places = targets.filter((target) => target.kind === kind);
  const flips: string[] = [];
  // Of two headers side by side that are damaged nobody knows what was in them.
  const count = kind === 'data' || kind === 'frame-data' ? random.between(1, mostFlips) : 1;
  for (let flip = 0; flip < count; flip += 1) {
    const [target] = places.splice(random.below(places.length), 1);
    if (target === undefined) break;
    const offset = target.offset + random.below(target.length);
    machine.flipBit(target.path, offset);
    flips.push(`${kind} at ${offset} of ${target.path}`);
  }
  return { kind, flips };
}

/** Whether a block of a volume, as it is or as a snapshot has it, may be lost by what a check says. */
export function mayBeLost(
  { misses, damage }: CheckedPool,
  { storeId, object }: Pick<Volume, 'storeId' | 'object'>,
  snapshot: SnapshotId | undefined,
): MayBeLost {
  if (misses) return () => true;
  const own = damage.filter(
    (each) =>
      each.store === storeId &&
      each.object === object &&
      // A state is that of the newest snapshot that has it, and of those before.
      (snapshot === undefined ? each.snapshot === undefined : (each.snapshot ?? Infinity) >= snapshot),
  );
  return (block) =>
    own.some((each) =>
      each.damage.some(
        ({ offset, length }) => offset < (block + 1) * blockBytes && offset + length > block * blockBytes,
      ),
    );
}
