import type { ThrottleLimits } from '@ashlar/block';
import { AshlarError, type Compression, type RecordChange, type Space, type Usage } from '@ashlar/core';
import { cloneOf } from './clone.ts';
import { checkCompression, compressionOf } from './compression.ts';
import { Exports, ownExport } from './exports.ts';
import { Flattening } from './flattening.ts';
import { carryThrough, isIntent } from './intents.ts';
import { accepted, heldError, heldReason, withRemoteWriter } from './loss.ts';
import type { CatalogueOptions } from './options.ts';
import { checkName } from './names.ts';
import { readCatalogue } from './read.ts';
import { reservationOf, Reservations } from './reservations.ts';
import {
  dropExport,
  dropSnapshot,
  dropVolume,
  putCounts,
  putExport,
  putVolume,
  type Counts,
  type VolumeRecord,
} from './records.ts';
import { Serial } from './serial.ts';
import { refuseTree } from './file-volumes.ts';
import { checkNewVolume, newVolume } from './new-volume.ts';
import { nextSchedules } from './schedules.ts';
import { Snapshots } from './snapshots.ts';
import type { AfterLoss, Export, NewClone, NewVolume, RollBack, SnapshotSchedule, Volume } from './types.ts';
import { checkSize, refuseShrinking } from './sizes.ts';

/** More than anybody has; it bounds what is in memory and what a start reads. */
const mostVolumes = 100_000;

/**
 * Volumes, exports and their access rules: in memory, and in the pool's system store where each change is one durable
 * atomic batch. One change runs at a time. Errors are `not-found`, `exists`, `invalid`, `busy`, `no-space` and what the
 * store throws, each with a sentence for the user.
 */
export class Catalogue {
  readonly #options: CatalogueOptions;
  readonly #serial = new Serial();
  /** By uuid, in the order of the records. */
  readonly #volumes = new Map<string, VolumeRecord>();
  /** Uuids of volumes that nobody may attach to now, with what is being done to them. */
  readonly #away = new Map<string, 'removed' | 'rolled back'>();
  /** Names of volumes (and their exports) that are being made. */
  readonly #making = new Set<string>();
  #recorded = false;
  readonly exports: Exports;
  readonly snapshots: Snapshots;
  readonly flattening: Flattening;
  readonly reservations: Reservations;

  private constructor(options: CatalogueOptions) {
    this.#options = options;
    const { stores, now, newUuid } = options;
    const volume = (name: string): Volume => this.volume(name);
    const commit: ConstructorParameters<typeof Exports>[0]['commit'] = (changes, more) => this.#commit(changes, more);
    const put = (record: VolumeRecord): Promise<void> => this.#put(record);
    const common = { serial: this.#serial, stores, volume };
    this.exports = new Exports({
      serial: this.#serial,
      now,
      findVolume: (name) => this.#byName(name),
      volumeOf: (item) => this.volumeOf(item),
      isMaking: (name) => this.#making.has(name),
      commit,
    });
    const changed = options.snapshotsChanged ?? (async () => undefined);
    this.snapshots = new Snapshots({ ...common, now, newUuid, volumes: () => this.volumes(), commit, changed });
    this.flattening = new Flattening({
      ...common,
      byUuid: (uuid) => this.byUuid(uuid),
      snapshotsOf: (each) => this.snapshots.of(each),
      put,
    });
    this.reservations = new Reservations({ ...common, put });
  }

  /**
   * Reads the records, ends what a stop left half done (a resize is carried through, a store that no volume names is
   * removed) and gives the catalogue. Throws `corrupt` when records are missing: then nothing is removed.
   */
  static async open(options: CatalogueOptions): Promise<Catalogue> {
    const catalogue = new Catalogue(options);
    await catalogue.#load();
    await catalogue.#finish();
    return catalogue;
  }

  volumes(): readonly Volume[] {
    return [...this.#volumes.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Sum of the sizes of all volumes. */
  get provisionedBytes(): number {
    return this.#volumes.values().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Nothing where it was removed. */
  byUuid(uuid: string): Volume | undefined {
    return this.#volumes.get(uuid);
  }

  /** Throws `not-found`. */
  volume(name: string): Volume {
    const found = this.#byName(name);
    if (found !== undefined) return found;
    throw new AshlarError('not-found', `there is no volume '${name}': 'ashlar volume ls' shows those there are`, {
      volume: name,
    });
  }

  /** The volume behind an export, undefined for one outside the pool. Throws `not-found` when the volume is being removed. */
  volumeOf(item: Export): Volume | undefined {
    if (item.source.kind === 'uri') return undefined;
    const { uuid } = item.source;
    const volume = this.#volumes.get(uuid);
    const away = this.#away.get(uuid) ?? 'removed';
    if (volume !== undefined && !this.#away.has(uuid)) return volume;
    const kind = away === 'removed' ? 'not-found' : 'try-later';
    throw new AshlarError(kind, `the volume behind the export '${item.name}' is being ${away}`);
  }

  /** Room is made outside the line of changes: `full` preallocation may take minutes. */
  async createVolume(request: NewVolume): Promise<Volume> {
    const { name, type, sizeBytes, preallocation = 'off', exported = true } = request;
    const compression = compressionOf(request, this.#options.compression());
    checkNewVolume(request);
    const reservedBytes = reservationOf(request, request.reservedBytes ?? 0);
    this.#refuseVolume(name);
    if (exported) this.exports.refuse(name);
    this.#making.add(name);
    try {
      const { stores } = this.#options;
      const place = await (type === 'file'
        ? stores.createTree(sizeBytes, compression)
        : stores.create(sizeBytes, preallocation, compression));
      const volume = newVolume(request, {
        uuid: this.#options.newUuid(),
        created: this.#options.now(),
        // No loss before now concerns it.
        acceptedLoss: this.#options.loss.lossGeneration,
        place,
        compression,
        reservedBytes,
      });
      await this.#serial
        .run(async () => {
          if (reservedBytes > 0) await this.#options.stores.reserve(place.storeId, reservedBytes, true);
          await this.#record(volume, exported);
        })
        .catch(async (error: unknown) => {
          await this.#options.stores.remove(place.storeId);
          throw error;
        });
      return volume;
    } finally {
      this.#making.delete(name);
    }
  }

  /**
   * Makes a volume of what a snapshot has, at once whatever its size; they share what neither changes. The snapshot stays as long
   * as it has clones.
   */
  cloneVolume(snapshotName: string, { name, exported = true }: NewClone): Promise<Volume> {
    return this.#serial.run(async () => {
      const found = this.snapshots.find(snapshotName);
      checkName('volume', name);
      this.#refuseVolume(name);
      if (exported) this.exports.refuse(name);
      const storeId = await this.#options.stores.clone(found.volume.storeId, found.snapshot.snapshotId);
      const volume = cloneOf(found, {
        name,
        storeId,
        uuid: this.#options.newUuid(),
        created: this.#options.now(),
        acceptedLoss: this.#options.loss.lossGeneration,
      });
      try {
        await this.#record(volume, exported);
      } catch (error) {
        await this.#options.stores.remove(storeId);
        throw error;
      }
      return volume;
    });
  }

  /** Makes a volume what a snapshot has. `busy` while clients are attached, or while there are newer snapshots. */
  rollBack(snapshotName: string, { force = false, removeNewer = false }: RollBack = {}): Promise<Volume> {
    return this.#serial.run(async () => {
      const { volume, snapshot } = this.snapshots.find(snapshotName);
      const { snapshotId, sizeBytes } = snapshot;
      const newer = this.snapshots.newerThan(volume, snapshot, removeNewer);
      this.#away.set(volume.uuid, 'rolled back');
      try {
        for (const each of newer) {
          await this.#options.stores.releaseSnapshot(volume.storeId, each.snapshotId, force);
        }
        await this.#options.stores.release(volume.storeId, force);
        const intent = { ...volume, rollingBackTo: { snapshotId, sizeBytes } };
        if (newer.length > 0) await this.snapshots.drop(volume, newer, [putVolume(intent)]);
        return await this.#carry(intent);
      } finally {
        this.#away.delete(volume.uuid);
      }
    });
  }

  /**
   * Removes the volume, its contents and its exports. `busy` while clients are attached, unless `force`; while it has snapshots,
   * unless `withSnapshots`; and while one of those has clones.
   */
  removeVolume(name: string, force = false, withSnapshots = false): Promise<void> {
    return this.#serial.run(async () => {
      const volume = this.volume(name);
      const snapshots = this.snapshots.goingWith(volume, withSnapshots);
      const exports = this.exports.of(volume);
      this.#away.set(volume.uuid, 'removed');
      try {
        for (const { snapshotId } of snapshots) {
          await this.#options.stores.releaseSnapshot(volume.storeId, snapshotId, force);
        }
        await this.#options.stores.release(volume.storeId, force);
        const changes = [
          dropVolume(volume.uuid),
          ...exports.map((item) => dropExport(item.name)),
          ...snapshots.map((each) => dropSnapshot(volume.uuid, each.name)),
        ];
        await this.#commit(changes, { volumes: -1, exports: -exports.length, snapshots: -snapshots.length });
      } finally {
        this.#away.delete(volume.uuid);
      }
      this.snapshots.forget(volume);
      this.#volumes.delete(volume.uuid);
      for (const item of exports) this.exports.drop(item.name);
      await this.#options.stores.remove(volume.storeId);
    });
  }

  /** Attached clients go on. Making it smaller cuts contents off and is `invalid` without `shrink`. */
  resizeVolume(name: string, sizeBytes: number, shrink = false): Promise<Volume> {
    return this.#serial.run(async () => {
      const volume = this.volume(name);
      checkSize(sizeBytes);
      // What the files of a tree have stays, however little they may take.
      if (!shrink && volume.type === 'block') refuseShrinking(volume, sizeBytes);
      return this.#carry({ ...volume, resizingTo: sizeBytes });
    });
  }

  /** Of what is written from now on. Attached clients go on. `invalid` for a volume that is preallocated. */
  setCompression(name: string, compression: Compression): Promise<Volume> {
    return this.#serial.run(async () => {
      const volume = this.volume(name);
      checkCompression(volume.preallocation, compression);
      return this.#carry({ ...volume, compressingTo: compression });
    });
  }

  /** The volume keeps its uuid and its clients. An export of the old name goes with it. */
  renameVolume(from: string, to: string): Promise<Volume> {
    return this.#serial.run(async () => {
      const volume = this.volume(from);
      checkName('volume', to);
      this.#refuseVolume(to);
      const offered = this.exports.find(from);
      const goesAlong = offered?.source.kind === 'volume' && offered.source.uuid === volume.uuid ? offered : undefined;
      const renamed = { ...volume, name: to };
      const changes = [putVolume(renamed)];
      if (goesAlong !== undefined) {
        this.exports.refuse(to);
        changes.push(dropExport(from), putExport({ ...goesAlong, name: to }));
      }
      await this.#commit(changes);
      this.#volumes.set(volume.uuid, renamed);
      if (goesAlong !== undefined) {
        this.exports.drop(from);
        this.exports.put({ ...goesAlong, name: to });
      }
      return renamed;
    });
  }

  setLimits(name: string, limits: ThrottleLimits): Promise<Volume> {
    return this.#change(name, (volume) => ({ ...refuseTree(volume, 'limited'), limits }));
  }

  /** How far a stream has been received into it; nothing when it is all there. */
  setReceiving(name: string, receiving: Volume['receiving'] | undefined): Promise<Volume> {
    return this.#change(name, (volume) => {
      const { receiving: _, ...others } = volume;
      return receiving === undefined ? others : { ...others, receiving };
    });
  }

  /** All schedules that it has from now on; one that it had already goes on. Throws `invalid` where a name is there twice. */
  setSchedules(name: string, schedules: readonly Omit<SnapshotSchedule, 'since'>[]): Promise<Volume> {
    return this.#change(name, (volume) => ({
      ...volume,
      schedules: nextSchedules(volume.schedules ?? [], schedules, this.#options.now()),
    }));
  }

  /** Not served until `acceptVolume`, since writes may be missing. */
  isHeld(volume: Volume): boolean {
    return this.heldReason(volume) !== undefined;
  }

  /** What may be missing of a volume that is held, and the command that mends it. */
  heldReason(volume: Volume): string | undefined {
    return heldReason(volume, this.#options.loss, this.#options.afterLoss());
  }

  /** What a loss does to it: as it says itself, else as it is configured. */
  afterLossOf(volume: Volume): AfterLoss {
    return volume.afterLoss ?? this.#options.afterLoss();
  }

  /** Lifts the hold, if there is one, and says what later losses do where `afterLoss` is named. */
  acceptVolume(name: string, afterLoss?: AfterLoss): Promise<Volume> {
    return this.#change(name, (volume) => {
      const before = accepted(volume, this.#options.loss);
      return afterLoss === undefined ? before : { ...before, afterLoss };
    });
  }

  /**
   * Before a client on another machine is let in to write: on record, durably, when it settles. Throws `denied` for a
   * volume that is held, `not-found` for one that is gone.
   */
  admitRemoteWriter(uuid: string): Promise<void> {
    return this.#serial.run(async () => {
      const volume = this.#volumes.get(uuid);
      if (volume === undefined) throw new AshlarError('not-found', 'the volume was removed');
      const reason = this.heldReason(volume);
      if (reason !== undefined) throw heldError(volume.name, reason);
      const marked = withRemoteWriter(volume, this.#options.loss);
      if (marked !== volume) await this.#put(marked);
    });
  }

  /**
   * At the end of a clean stop, after `close`: no client is attached any more and everything they wrote is durable, so no
   * later loss concerns them. What is held stays held.
   */
  async forgetRemoteWriters(): Promise<void> {
    const changes = [...this.#volumes.values()]
      .filter((volume) => volume.remoteWriter === true && !this.isHeld(volume))
      .map((volume) => putVolume({ ...volume, remoteWriter: false }));
    if (changes.length > 0) await this.#commit(changes);
  }

  async usage(name: string): Promise<Usage> {
    return this.#options.stores.usage(this.volume(name));
  }

  async space(name: string): Promise<Space> {
    return this.#options.stores.space(this.volume(name));
  }

  /** Waits for the change that runs; later ones fail as `closed`. */
  close(): Promise<void> {
    return this.#serial.close();
  }

  #byName(name: string): VolumeRecord | undefined {
    for (const volume of this.#volumes.values()) if (volume.name === name) return volume;
    return undefined;
  }

  #refuseVolume(name: string): void {
    if (this.#volumes.size >= mostVolumes) throw new AshlarError('busy', `a pool keeps at most ${mostVolumes} volumes`);
    if (this.#byName(name) === undefined && !this.#making.has(name)) return;
    throw new AshlarError(
      'exists',
      `there is a volume '${name}' already: choose another name, or remove it with 'ashlar volume rm ${name}'`,
      {
        volume: name,
      },
    );
  }

  async #record(volume: Volume, exported: boolean): Promise<void> {
    const offered = ownExport(volume);
    const changes = [putVolume(volume), ...(exported ? [putExport(offered)] : [])];
    await this.#commit(changes, { volumes: 1, exports: exported ? 1 : 0 });
    this.#volumes.set(volume.uuid, volume);
    if (exported) this.exports.put(offered);
  }

  /** One durable batch, the counts with it. */
  async #commit(changes: readonly RecordChange[], more: Partial<Counts> = {}): Promise<void> {
    const counts: Counts = {
      volumes: this.#volumes.size + (more.volumes ?? 0),
      exports: this.exports.count + (more.exports ?? 0),
      snapshots: this.snapshots.count + (more.snapshots ?? 0),
    };
    await this.#options.records.commit([...changes, putCounts(counts)], true);
  }

  #change(name: string, change: (volume: Volume) => Volume): Promise<Volume> {
    return this.#serial.run(async () => {
      const volume = change(this.volume(name));
      await this.#put(volume);
      return volume;
    });
  }

  async #put(volume: VolumeRecord): Promise<void> {
    await this.#commit([putVolume(volume)]);
    this.#volumes.set(volume.uuid, volume);
  }

  async #carry(intent: VolumeRecord): Promise<Volume> {
    const record = (volume: VolumeRecord): Promise<void> => this.#commit([putVolume(volume)]);
    const volume = await carryThrough({ stores: this.#options.stores, record }, intent);
    this.#volumes.set(volume.uuid, volume);
    return this.reservations.fit(volume);
  }

  async #load(): Promise<void> {
    const { volumes, exports, snapshots, recorded } = await readCatalogue(this.#options.records);
    this.snapshots.load(snapshots);
    for (const volume of volumes) this.#volumes.set(volume.uuid, volume);
    for (const item of exports) this.exports.put(item);
    this.#recorded = recorded;
  }

  async #finish(): Promise<void> {
    const known = new Set([...this.#volumes.values()].map(({ storeId }) => storeId));
    const strays = (await this.#options.stores.list()).filter((storeId) => !known.has(storeId));
    // The counts are written before the first volume is made.
    if (!this.#recorded && strays.length > 0) {
      throw new AshlarError(
        'corrupt',
        `the pool keeps ${strays.length} volumes and its catalogue is empty: nothing was changed; run 'ashlar check'`,
      );
    }
    if (!this.#recorded) await this.#commit([]);
    for (const storeId of strays) await this.#options.stores.remove(storeId);
    await this.snapshots.removeStrays();
    const records = [...this.#volumes.values()];
    await this.reservations.restore(records);
    for (const record of records) if (isIntent(record)) await this.#carry(record);
  }
}
