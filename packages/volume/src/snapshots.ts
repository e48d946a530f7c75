import { AshlarError, type RecordChange, type Space, type StoreId } from '@ashlar/core';
import { checkName } from './names.ts';
import { dropSnapshot, putSnapshot, type Counts } from './records.ts';
import type { Serial } from './serial.ts';
import type { VolumeStores } from './stores.ts';
import type { Volume, VolumeSnapshot } from './types.ts';

type SnapshotsParts = {
  readonly serial: Serial;
  readonly stores: VolumeStores;
  /** Now, as ISO 8601. */
  readonly now: () => string;
  readonly newUuid: () => string;
  readonly volumes: () => readonly Volume[];
  /** Throws `not-found`. */
  readonly volume: (name: string) => Volume;
  /** One durable batch. */
  readonly commit: (changes: readonly RecordChange[], more: Partial<Counts>) => Promise<void>;
  /** A volume has other snapshots than before. Never rejects. */
  readonly changed: (volume: Volume) => Promise<void>;
};

export type NewSnapshot = {
  /** A volume's name. */
  readonly volume: string;
  readonly name: string;
  /** Of a copy that was received; a new one where nothing is said. */
  readonly uuid?: string;
  /** The name of the schedule that takes it. */
  readonly schedule?: string;
};

/** A snapshot with the volume that it is of. */
export type FoundSnapshot = { readonly volume: Volume; readonly snapshot: VolumeSnapshot };

/** Of one volume; it bounds what is in memory. */
const mostOfVolume = 10_000;

/** The names that volumes' snapshots have: `VOLUME@SNAPSHOT` to users. */
export class Snapshots {
  readonly #parts: SnapshotsParts;
  /** By the volume's uuid, then by name. */
  readonly #known = new Map<string, Map<string, VolumeSnapshot>>();

  constructor(parts: SnapshotsParts) {
    this.#parts = parts;
  }

  get count(): number {
    let count = 0;
    for (const each of this.#known.values()) count += each.size;
    return count;
  }

  /** In the order in which they were taken. */
  of({ uuid }: Pick<Volume, 'uuid'>): readonly VolumeSnapshot[] {
    return [...(this.#known.get(uuid)?.values() ?? [])].toSorted((a, b) => a.snapshotId - b.snapshotId);
  }

  /** By `VOLUME@SNAPSHOT`. Throws `invalid` where it is no such name, `not-found`. */
  find(fullName: string): FoundSnapshot {
    const [name, snapshotName, ...more] = fullName.split('@');
    if (name === undefined || snapshotName === undefined || more.length > 0) {
      throw new AshlarError('invalid', `'${fullName}' is not the name of a snapshot: it is VOLUME@SNAPSHOT`);
    }
    const volume = this.#parts.volume(name);
    const snapshot = this.#known.get(volume.uuid)?.get(snapshotName);
    if (snapshot !== undefined) return { volume, snapshot };
    throw new AshlarError(
      'not-found',
      `the volume '${name}' has no snapshot '${snapshotName}': 'ashlar volume snapshot ls ${name}' shows those there are`,
      { volume: name },
    );
  }

  /** What it takes, and what of that would come back if it were removed. */
  async space(fullName: string): Promise<Space> {
    const { volume, snapshot } = this.find(fullName);
    return this.#parts.stores.space(volume, snapshot.snapshotId);
  }

  /** Volumes that were made from it. */
  clonesOf({ uuid }: Pick<Volume, 'uuid'>, { snapshotId }: Pick<VolumeSnapshot, 'snapshotId'>): readonly Volume[] {
    return this.#parts.volumes().filter(({ origin }) => origin?.volume === uuid && origin.snapshotId === snapshotId);
  }

  /** All of one instant, those of volumes that share what an application writes: either all are there afterwards or none. */
  take(requests: readonly NewSnapshot[]): Promise<readonly FoundSnapshot[]> {
    const { serial, stores, now, newUuid } = this.#parts;
    return serial.run(async () => {
      const volumes = requests.map((request) => this.#check(request));
      const storeIds = volumes.map(({ storeId }) => storeId);
      if (new Set(storeIds).size < storeIds.length) {
        throw new AshlarError('invalid', 'a volume is named twice: a snapshot of several has each of them once');
      }
      const ids = await stores.snapshot(volumes);
      const created = now();
      const taken = requests.map(({ name, uuid = newUuid(), schedule }, index): FoundSnapshot => {
        const volume = volumes[index]!;
        const { sizeBytes } = volume;
        const snapshot = { name, uuid, volume: volume.uuid, snapshotId: ids[index]!, sizeBytes, created };
        return { volume, snapshot: schedule === undefined ? snapshot : { ...snapshot, schedule } };
      });
      await this.#record(taken, storeIds, ids);
      for (const volume of volumes) await this.#parts.changed(volume);
      return taken;
    });
  }

  /** `busy` while clients are attached to it, unless `force`, or while there are clones of it. */
  remove(fullName: string, force: boolean): Promise<void> {
    return this.#parts.serial.run(async () => {
      const { volume, snapshot } = this.find(fullName);
      this.#refuseClones(volume, snapshot);
      await this.#parts.stores.releaseSnapshot(volume.storeId, snapshot.snapshotId, force);
      await this.drop(volume, [snapshot], []);
      await this.#parts.changed(volume);
    });
  }

  /** Takes snapshots out of the records, in one batch with `more`, and then out of the store; what a stop leaves there the next start removes. */
  async drop(volume: Volume, snapshots: readonly VolumeSnapshot[], more: readonly RecordChange[]): Promise<void> {
    const { commit, stores } = this.#parts;
    const changes = snapshots.map(({ name }) => dropSnapshot(volume.uuid, name));
    await commit([...changes, ...more], { snapshots: -snapshots.length });
    for (const { name } of snapshots) this.#known.get(volume.uuid)?.delete(name);
    for (const { snapshotId } of snapshots) await stores.removeSnapshot(volume.storeId, snapshotId);
  }

  /** Those that must go before the volume goes back to one. Throws `busy` where they have clones, or are not to be removed. */
  newerThan(volume: Volume, { snapshotId }: VolumeSnapshot, mayRemove: boolean): readonly VolumeSnapshot[] {
    const newer = this.of(volume).filter((each) => each.snapshotId > snapshotId);
    for (const each of newer) this.#refuseClones(volume, each);
    if (newer.length === 0 || mayRemove) return newer;
    const names = newer.map(({ name }) => name).join(', ');
    throw new AshlarError(
      'busy',
      `the volume '${volume.name}' has newer snapshots (${names}): say --remove-newer if they are to go`,
      { volume: volume.name },
    );
  }

  /** All of a volume that is to go. Throws `busy` where they have clones, or are not to be removed. */
  goingWith(volume: Volume, mayRemove: boolean): readonly VolumeSnapshot[] {
    const snapshots = this.of(volume);
    for (const each of snapshots) this.#refuseClones(volume, each);
    if (snapshots.length === 0 || mayRemove) return snapshots;
    throw new AshlarError(
      'busy',
      `the volume '${volume.name}' has ${snapshots.length} snapshots: say --snapshots if they are to go with it`,
      { volume: volume.name },
    );
  }

  /** At the start: what the records have. */
  load(snapshots: readonly VolumeSnapshot[]): void {
    for (const snapshot of snapshots) this.#put(snapshot);
  }

  /** At the start: removes from the stores what no record names. */
  async removeStrays(): Promise<void> {
    const { stores, volumes } = this.#parts;
    const named = new Map(
      volumes().map((volume) => [volume.storeId, new Set(this.of(volume).map(({ snapshotId }) => snapshotId))]),
    );
    for (const { storeId, snapshotId } of await stores.listSnapshots()) {
      if (named.get(storeId)?.has(snapshotId) !== false) continue;
      await stores.removeSnapshot(storeId, snapshotId);
    }
  }

  /** A volume is gone, and its snapshots with it. */
  forget({ uuid }: Volume): void {
    this.#known.delete(uuid);
  }

  #refuseClones(volume: Volume, snapshot: VolumeSnapshot): void {
    const clones = this.clonesOf(volume, snapshot).map(({ name }) => name);
    if (clones.length === 0) return;
    throw new AshlarError(
      'busy',
      `the snapshot '${volume.name}@${snapshot.name}' has clones (${clones.join(', ')}): remove or flatten those first`,
      { volume: volume.name },
    );
  }

  #check({ volume: name, name: snapshotName }: NewSnapshot): Volume {
    const volume = this.#parts.volume(name);
    checkName('snapshot', snapshotName);
    if (volume.flattening === true) {
      throw new AshlarError(
        'busy',
        `the volume '${name}' is being flattened: no snapshot is taken of it until it is done`,
      );
    }
    const there = this.#known.get(volume.uuid);
    if (there?.has(snapshotName) === true) {
      throw new AshlarError(
        'exists',
        `the volume '${name}' has a snapshot '${snapshotName}' already: choose another name, or remove it with 'ashlar volume snapshot rm ${name}@${snapshotName}'`,
        { volume: name },
      );
    }
    if ((there?.size ?? 0) >= mostOfVolume) {
      throw new AshlarError('busy', `a volume has at most ${mostOfVolume} snapshots: remove some of '${name}' first`);
    }
    return volume;
  }

  async #record(taken: readonly FoundSnapshot[], storeIds: readonly StoreId[], ids: readonly number[]): Promise<void> {
    const { commit, stores } = this.#parts;
    try {
      await commit(
        taken.map(({ snapshot }) => putSnapshot(snapshot)),
        { snapshots: taken.length },
      );
    } catch (error) {
      for (const [index, storeId] of storeIds.entries()) await stores.removeSnapshot(storeId, ids[index]!);
      throw error;
    }
    for (const { snapshot } of taken) this.#put(snapshot);
  }

  #put(snapshot: VolumeSnapshot): void {
    const there = this.#known.get(snapshot.volume) ?? new Map<string, VolumeSnapshot>();
    this.#known.set(snapshot.volume, there.set(snapshot.name, snapshot));
  }
}
