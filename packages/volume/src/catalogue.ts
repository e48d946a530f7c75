import type { ThrottleLimits } from '@ashlar/block';
import {
  AshlarError,
  formatSize,
  maxOffset,
  type ObjectStore,
  type Preallocation,
  type RecordChange,
  type Space,
} from '@ashlar/core';
import { checkCidr } from './addresses.ts';
import { accepted, heldError, heldReason, withRemoteWriter, type PoolLoss } from './loss.ts';
import { checkName } from './names.ts';
import { readCatalogue } from './read.ts';
import { dropExport, dropVolume, putCounts, putExport, putVolume, type Counts, type VolumeRecord } from './records.ts';
import { Serial } from './serial.ts';
import type { VolumeStores } from './stores.ts';
import type { AfterLoss, Export, ExportProtocol, Volume } from './types.ts';
import { checkUri } from './uri.ts';

type CatalogueOptions = {
  /** The pool's system store. */
  readonly records: Pick<ObjectStore, 'commit' | 'scanRecords'>;
  readonly stores: VolumeStores;
  /** Now, as ISO 8601. */
  readonly now: () => string;
  readonly newUuid: () => string;
  readonly loss: PoolLoss;
  /** What a loss does now to volumes that say nothing themselves. */
  readonly afterLoss: () => AfterLoss;
};

export type NewVolume = {
  readonly name: string;
  readonly sizeBytes: number;
  readonly preallocation?: Preallocation;
  readonly limits?: ThrottleLimits;
  readonly afterLoss?: AfterLoss;
  /** Offers it at once under its own name; default true. */
  readonly exported?: boolean;
};

export type NewExport = {
  readonly name: string;
  /** A volume's name or a URI. */
  readonly source: string;
  readonly readOnly?: boolean;
  readonly allow?: readonly string[];
  readonly over?: readonly ExportProtocol[];
};

/** Volumes are whole sectors: what every guest and image format can hold. */
const sectorBytes = 512;

/** More than anybody has; it bounds what is in memory and what a start reads. */
const mostRecords = 100_000;

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
  readonly #exports = new Map<string, Export>();
  /** Uuids of volumes on their way out: nobody may attach any more. */
  readonly #leaving = new Set<string>();
  /** Names of volumes (and their exports) that are being made. */
  readonly #making = new Set<string>();
  #recorded = false;

  private constructor(options: CatalogueOptions) {
    this.#options = options;
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

  /** Throws `not-found`. */
  volume(name: string): Volume {
    const found = this.#byName(name);
    if (found !== undefined) return found;
    throw new AshlarError('not-found', `there is no volume '${name}': 'ashlar volume ls' shows those there are`, {
      volume: name,
    });
  }

  exports(): readonly Export[] {
    return [...this.#exports.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  findExport(name: string): Export | undefined {
    return this.#exports.get(name);
  }

  /** Throws `not-found`. */
  export(name: string): Export {
    const found = this.#exports.get(name);
    if (found !== undefined) return found;
    throw new AshlarError('not-found', `there is no export '${name}': 'ashlar export ls' shows those there are`);
  }

  /** The volume behind an export, undefined for one outside the pool. Throws `not-found` when the volume is being removed. */
  volumeOf(item: Export): Volume | undefined {
    if (item.source.kind === 'uri') return undefined;
    const volume = this.#volumes.get(item.source.uuid);
    if (volume !== undefined && !this.#leaving.has(volume.uuid)) return volume;
    throw new AshlarError('not-found', `the volume behind the export '${item.name}' is being removed`);
  }

  /** Room is made outside the line of changes: `full` preallocation may take minutes. */
  async createVolume(request: NewVolume): Promise<Volume> {
    const { name, sizeBytes, preallocation = 'off', limits = {}, afterLoss, exported = true } = request;
    checkName('volume', name);
    checkSize(sizeBytes);
    this.#refuseVolume(name);
    if (exported) this.#refuseExport(name);
    this.#making.add(name);
    try {
      const place = await this.#options.stores.create(sizeBytes, preallocation);
      const created = this.#options.now();
      const volume: Volume = {
        name,
        uuid: this.#options.newUuid(),
        type: 'block',
        sizeBytes,
        preallocation,
        created,
        limits,
        ...(afterLoss === undefined ? {} : { afterLoss }),
        // No loss before now concerns it.
        acceptedLoss: this.#options.loss.lossGeneration,
        ...place,
      };
      await this.#serial
        .run(() => this.#record(volume, exported))
        .catch(async (error: unknown) => {
          await this.#options.stores.remove(place.storeId);
          throw error;
        });
      return volume;
    } finally {
      this.#making.delete(name);
    }
  }

  /** Removes the volume, its contents and its exports. `busy` while clients are attached, unless `force`. */
  removeVolume(name: string, force = false): Promise<void> {
    return this.#serial.run(async () => {
      const volume = this.volume(name);
      const exports = this.exports().filter(({ source }) => source.kind === 'volume' && source.uuid === volume.uuid);
      this.#leaving.add(volume.uuid);
      try {
        await this.#options.stores.release(volume.storeId, force);
        const changes = [dropVolume(volume.uuid), ...exports.map((item) => dropExport(item.name))];
        await this.#commit(changes, { volumes: -1, exports: -exports.length });
      } finally {
        this.#leaving.delete(volume.uuid);
      }
      this.#volumes.delete(volume.uuid);
      for (const item of exports) this.#exports.delete(item.name);
      await this.#options.stores.remove(volume.storeId);
    });
  }

  /** Attached clients go on. Making it smaller cuts contents off and is `invalid` without `shrink`. */
  resizeVolume(name: string, sizeBytes: number, shrink = false): Promise<Volume> {
    return this.#serial.run(async () => {
      const volume = this.volume(name);
      checkSize(sizeBytes);
      if (sizeBytes < volume.sizeBytes && !shrink) {
        const sizes = `${formatSize(volume.sizeBytes)} to ${formatSize(sizeBytes)}`;
        throw new AshlarError(
          'invalid',
          `making the volume '${name}' smaller (${sizes}) cuts off what lies behind: say --shrink if that is meant`,
          {
            volume: name,
          },
        );
      }
      return await this.#carryResize({ ...volume, resizingTo: sizeBytes });
    });
  }

  /** The volume keeps its uuid and its clients. An export of the old name goes with it. */
  renameVolume(from: string, to: string): Promise<Volume> {
    return this.#serial.run(async () => {
      const volume = this.volume(from);
      checkName('volume', to);
      this.#refuseVolume(to);
      const offered = this.#exports.get(from);
      const goesAlong = offered?.source.kind === 'volume' && offered.source.uuid === volume.uuid ? offered : undefined;
      const renamed = { ...volume, name: to };
      const changes = [putVolume(renamed)];
      if (goesAlong !== undefined) {
        this.#refuseExport(to);
        changes.push(dropExport(from), putExport({ ...goesAlong, name: to }));
      }
      await this.#commit(changes);
      this.#volumes.set(volume.uuid, renamed);
      if (goesAlong !== undefined) {
        this.#exports.delete(from);
        this.#exports.set(to, { ...goesAlong, name: to });
      }
      return renamed;
    });
  }

  setLimits(name: string, limits: ThrottleLimits): Promise<Volume> {
    return this.#serial.run(async () => {
      const volume = { ...this.volume(name), limits };
      await this.#put(volume);
      return volume;
    });
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
    return this.#serial.run(async () => {
      const before = accepted(this.volume(name), this.#options.loss);
      const volume = afterLoss === undefined ? before : { ...before, afterLoss };
      await this.#put(volume);
      return volume;
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

  addExport(request: NewExport): Promise<Export> {
    return this.#serial.run(async () => {
      const { name, source, readOnly = false, allow = [], over = ['nbd'] } = request;
      checkName('export', name);
      for (const cidr of allow) checkCidr(cidr);
      this.#refuseExport(name);
      const volume = this.#byName(source);
      if (volume === undefined) checkUri(source);
      const item: Export = {
        name,
        source: volume === undefined ? { kind: 'uri', uri: source } : { kind: 'volume', uuid: volume.uuid },
        readOnly,
        allow,
        over,
        created: this.#options.now(),
      };
      await this.#commit([putExport(item)], { exports: 1 });
      this.#exports.set(name, item);
      return item;
    });
  }

  /** Takes the offer back; the volume or file behind it stays. */
  removeExport(name: string): Promise<Export> {
    return this.#serial.run(async () => {
      const item = this.export(name);
      await this.#commit([dropExport(name)], { exports: -1 });
      this.#exports.delete(name);
      return item;
    });
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
    if (this.#volumes.size >= mostRecords) throw new AshlarError('busy', `a pool keeps at most ${mostRecords} volumes`);
    if (this.#byName(name) === undefined && !this.#making.has(name)) return;
    throw new AshlarError(
      'exists',
      `there is a volume '${name}' already: choose another name, or remove it with 'ashlar volume rm ${name}'`,
      {
        volume: name,
      },
    );
  }

  #refuseExport(name: string): void {
    if (this.#exports.size >= mostRecords) throw new AshlarError('busy', `a pool keeps at most ${mostRecords} exports`);
    if (!this.#exports.has(name) && !this.#making.has(name)) return;
    throw new AshlarError(
      'exists',
      `there is an export '${name}' already: choose another name, or remove it with 'ashlar export rm ${name}'`,
    );
  }

  async #record(volume: Volume, exported: boolean): Promise<void> {
    const { name, uuid, created } = volume;
    const offered: Export = {
      name,
      source: { kind: 'volume', uuid },
      readOnly: false,
      allow: [],
      over: ['nbd'],
      created,
    };
    const changes = [putVolume(volume), ...(exported ? [putExport(offered)] : [])];
    await this.#commit(changes, { volumes: 1, exports: exported ? 1 : 0 });
    this.#volumes.set(uuid, volume);
    if (exported) this.#exports.set(name, offered);
  }

  /** One durable batch, the counts with it. */
  async #commit(changes: readonly RecordChange[], more: Partial<Counts> = {}): Promise<void> {
    const counts: Counts = {
      volumes: this.#volumes.size + (more.volumes ?? 0),
      exports: this.#exports.size + (more.exports ?? 0),
    };
    await this.#options.records.commit([...changes, putCounts(counts)], true);
  }

  async #put(volume: VolumeRecord): Promise<void> {
    await this.#commit([putVolume(volume)]);
    this.#volumes.set(volume.uuid, volume);
  }

  async #carryResize(intent: VolumeRecord & { readonly resizingTo: number }): Promise<Volume> {
    const { resizingTo, ...before } = intent;
    await this.#commit([putVolume(intent)]);
    try {
      await this.#options.stores.resize(intent, resizingTo);
    } catch (error) {
      await this.#commit([putVolume(before)]);
      throw error;
    }
    const volume: Volume = { ...before, sizeBytes: resizingTo };
    await this.#commit([putVolume(volume)]);
    this.#volumes.set(volume.uuid, volume);
    return volume;
  }

  async #load(): Promise<void> {
    const { volumes, exports, recorded } = await readCatalogue(this.#options.records);
    for (const volume of volumes) this.#volumes.set(volume.uuid, volume);
    for (const item of exports) this.#exports.set(item.name, item);
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
    for (const record of this.#volumes.values()) {
      const { resizingTo } = record;
      if (resizingTo !== undefined) await this.#carryResize({ ...record, resizingTo });
    }
  }
}

function checkSize(sizeBytes: number): void {
  if (Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes % sectorBytes === 0 && sizeBytes <= maxOffset)
    return;
  throw new AshlarError(
    'invalid',
    `a volume of ${sizeBytes} bytes cannot be made: its size is a multiple of ${sectorBytes} bytes, at least one`,
  );
}
