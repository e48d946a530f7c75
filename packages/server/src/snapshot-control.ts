import { AshlarError } from '@ashlar/core';
import type { Plane } from '@ashlar/plane';
import { refuseTree, type Catalogue, type FoundSnapshot, type NewSnapshot, type Volume } from '@ashlar/volume';
import type * as z from 'zod';
import type { changesQuery, changesSchema, snapshotSchema } from './admin/schemas.ts';
import type { Grants } from './grants.ts';

export type SnapshotView = z.output<typeof snapshotSchema>;
export type ChangesView = z.output<typeof changesSchema>;

type Parts = {
  readonly catalogue: Catalogue;
  readonly grants: Grants;
  readonly plane: Pick<Plane, 'changesOf'>;
  readonly connectionsByExport: () => Promise<ReadonlyMap<string, number>>;
};

/** What the admin API does with snapshots, on names as users say them. */
export class SnapshotControl {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async take(requests: readonly NewSnapshot[]): Promise<SnapshotView[]> {
    const taken = await this.#parts.catalogue.snapshots.take(requests);
    return taken.map((found) => this.#view(found, new Map()));
  }

  /** Of one volume, or of all of them by their names. */
  async list(volumeName?: string): Promise<SnapshotView[]> {
    const { catalogue, connectionsByExport } = this.#parts;
    const volumes = volumeName === undefined ? catalogue.volumes() : [catalogue.volume(volumeName)];
    const connections = await connectionsByExport();
    return volumes.flatMap((volume) =>
      catalogue.snapshots.of(volume).map((snapshot) => this.#view({ volume, snapshot }, connections)),
    );
  }

  async one(fullName: string): Promise<SnapshotView> {
    const { catalogue, connectionsByExport } = this.#parts;
    const view = this.#view(catalogue.snapshots.find(fullName), await connectionsByExport());
    const { allocatedBytes, exclusiveBytes } = await catalogue.snapshots.space(fullName);
    return { ...view, allocatedBytes, exclusiveBytes };
  }

  async remove(fullName: string, force: boolean): Promise<void> {
    await this.#parts.catalogue.snapshots.remove(fullName, force);
    this.#parts.grants.forgetUnused();
  }

  async changes(
    volumeName: string,
    { since, until, offset, limit }: z.output<typeof changesQuery>,
  ): Promise<ChangesView> {
    const { catalogue, plane } = this.#parts;
    const { volume, snapshot: before } = catalogue.snapshots.find(`${volumeName}@${since}`);
    refuseTree(volume, 'compared');
    const after = until === undefined ? undefined : catalogue.snapshots.find(`${volumeName}@${until}`).snapshot;
    if (after !== undefined && after.snapshotId < before.snapshotId) {
      throw new AshlarError('invalid', `the snapshot '${since}' is newer than '${until}': name the older one first`);
    }
    const { sizeBytes, changed, end } = await plane.changesOf(
      volume,
      before.snapshotId,
      after?.snapshotId,
      offset,
      Math.max(1, limit),
    );
    const changes: { offset: number; length: number }[] = [];
    for (let at = 0; at < changed.length; at += 2) changes.push({ offset: changed[at]!, length: changed[at + 1]! });
    return { sizeBytes, changes, ...(end < sizeBytes ? { next: end } : {}) };
  }

  /** The name of the snapshot that a volume is a clone of. */
  originOf({ origin }: Volume): { readonly origin?: string } {
    if (origin === undefined) return {};
    const { catalogue } = this.#parts;
    const volume = catalogue.byUuid(origin.volume);
    if (volume === undefined) return {};
    const snapshot = catalogue.snapshots.of(volume).find(({ snapshotId }) => snapshotId === origin.snapshotId);
    return snapshot === undefined ? {} : { origin: `${volume.name}@${snapshot.name}` };
  }

  #view({ volume, snapshot }: FoundSnapshot, connections: ReadonlyMap<string, number>): SnapshotView {
    const { catalogue } = this.#parts;
    const { name, uuid, sizeBytes, created, schedule } = snapshot;
    const exports = catalogue.exports.of(volume).map((item) => `${item.name}@${name}`);
    return {
      name: `${volume.name}@${name}`,
      volume: volume.name,
      snapshot: name,
      uuid,
      ...(schedule === undefined ? {} : { schedule }),
      sizeBytes,
      created,
      clones: catalogue.snapshots.clonesOf(volume, snapshot).map((clone) => clone.name),
      exports,
      connections: exports.reduce((sum, each) => sum + (connections.get(each) ?? 0), 0),
    };
  }
}
