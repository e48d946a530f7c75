import { AshlarError, type PoolStatus, type ScrubCommand } from '@ashlar/core';
import type { Plane } from '@ashlar/plane';
import type { Catalogue, Export, NewExport, NewVolume, Volume } from '@ashlar/volume';
import type * as z from 'zod';
import type {
  acceptSchema,
  connectionSchema,
  exportSchema,
  newCloneSchema,
  newVolumeSchema,
  removeVolumeQuery,
  rollBackSchema,
  volumeChangeSchema,
  volumeSchema,
} from './admin/schemas.ts';
import { sizeOf } from './admin/size.ts';
import type { Flattener } from './flattener.ts';
import type { Grants } from './grants.ts';
import { scrubView, type ScrubView } from './scrub-view.ts';
import { SnapshotControl } from './snapshot-control.ts';

export type VolumeView = z.output<typeof volumeSchema>;
export type ExportView = z.output<typeof exportSchema>;
export type ConnectionView = z.output<typeof connectionSchema>;

type Parts = {
  readonly catalogue: Catalogue;
  readonly grants: Grants;
  readonly plane: Plane;
  readonly flattener: Flattener;
  /** URIs that an export's name is found under, now. */
  readonly urisOf: (exportName: string) => readonly string[];
  /** Most bytes a second of a scrub that says nothing itself; null for no bound. */
  readonly scrubRate: () => number | null;
};

/** What the admin API does, on names as users say them. Errors are AshlarErrors with a sentence for the user. */
export class Control {
  readonly #parts: Parts;
  readonly snapshots: SnapshotControl;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { catalogue, grants, plane } = parts;
    this.snapshots = new SnapshotControl({
      catalogue,
      grants,
      plane,
      connectionsByExport: () => this.connectionsByExport(),
    });
  }

  poolStatus(): Promise<PoolStatus> {
    return this.#parts.plane.status();
  }

  get counts(): { readonly volumes: number; readonly held: string[]; readonly exports: number } {
    const { catalogue } = this.#parts;
    const volumes = catalogue.volumes();
    const held = volumes.filter((volume) => catalogue.isHeld(volume)).map(({ name }) => name);
    return { volumes: volumes.length, held, exports: catalogue.exports.count };
  }

  async volumes(): Promise<VolumeView[]> {
    const connections = await this.connectionsByExport();
    return Promise.all(this.#parts.catalogue.volumes().map((volume) => this.#view(volume, connections)));
  }

  /** `space`: what is its own is counted as well, which reads maps and may wait for a checkpoint. */
  async volume(name: string, { space = false }: { readonly space?: boolean } = {}): Promise<VolumeView> {
    const { catalogue } = this.#parts;
    const view = await this.#view(catalogue.volume(name), await this.connectionsByExport());
    if (!space) return view;
    const { exclusiveBytes, sharedBytes } = await catalogue.space(name);
    return { ...view, exclusiveBytes, sharedBytes };
  }

  async createVolume(request: z.output<typeof newVolumeSchema>): Promise<VolumeView> {
    const { size, reserve, afterLoss, compression, ...others } = request;
    const wanted: NewVolume = {
      ...others,
      sizeBytes: sizeOf(size),
      reservedBytes: sizeOf(reserve),
      ...(afterLoss === undefined ? {} : { afterLoss }),
      ...(compression === undefined ? {} : { compression }),
    };
    return this.#view(await this.#parts.catalogue.createVolume(wanted), new Map());
  }

  async changeVolume(name: string, change: z.output<typeof volumeChangeSchema>): Promise<VolumeView> {
    const { catalogue, plane } = this.#parts;
    if (change.size !== undefined) await catalogue.resizeVolume(name, sizeOf(change.size), change.shrink);
    if (change.limits !== undefined) {
      const { storeId, limits } = await catalogue.setLimits(name, change.limits);
      await plane.setLimits(storeId, limits);
    }
    if (change.reserve !== undefined) await catalogue.reservations.set(name, sizeOf(change.reserve));
    if (change.compression !== undefined) await catalogue.setCompression(name, change.compression);
    if (change.schedules !== undefined) await catalogue.setSchedules(name, change.schedules);
    if (change.receiving !== undefined) await catalogue.setReceiving(name, change.receiving ?? undefined);
    if (change.name !== undefined && change.name !== name) await catalogue.renameVolume(name, change.name);
    return this.volume(change.name ?? name);
  }

  /** For a client that is attached; gives the volume's name. `denied` where it would be smaller and may not. */
  async resizeFor(uuid: string, sizeBytes: number, mayShrink: boolean): Promise<string> {
    const { catalogue } = this.#parts;
    const volume = catalogue.byUuid(uuid);
    if (volume === undefined) throw new AshlarError('not-found', 'the volume was removed');
    if (!mayShrink && sizeBytes < volume.sizeBytes) throw new AshlarError('denied', 'other clients use the volume');
    await catalogue.resizeVolume(volume.name, sizeBytes, mayShrink);
    return volume.name;
  }

  /** Serves a volume again that was held. */
  async acceptVolume(name: string, { afterLoss }: z.output<typeof acceptSchema>): Promise<VolumeView> {
    await this.#parts.catalogue.acceptVolume(name, afterLoss);
    return this.volume(name);
  }

  async removeVolume(name: string, { force, snapshots }: z.output<typeof removeVolumeQuery>): Promise<void> {
    const { catalogue, grants } = this.#parts;
    await catalogue.removeVolume(name, force, snapshots);
    grants.forgetUnused();
  }

  async cloneVolume(snapshot: string, request: z.output<typeof newCloneSchema>): Promise<VolumeView> {
    return this.#view(await this.#parts.catalogue.cloneVolume(snapshot, request), new Map());
  }

  async rollBack(snapshot: string, request: z.output<typeof rollBackSchema>): Promise<VolumeView> {
    const { catalogue, grants } = this.#parts;
    const { name } = await catalogue.rollBack(snapshot, request);
    grants.forgetUnused();
    return this.volume(name);
  }

  /** Goes on in the background; `stop`: settles when it does not any more. */
  async flatten(name: string, action: 'start' | 'stop'): Promise<VolumeView> {
    const { flattener } = this.#parts;
    await (action === 'start' ? flattener.begin(name) : flattener.stop(name));
    return this.volume(name);
  }

  async scrub(command: ScrubCommand): Promise<ScrubView> {
    const { plane, catalogue, scrubRate } = this.#parts;
    const configured = command.action === 'start' ? { bytesPerSecond: scrubRate() } : {};
    return scrubView(await plane.scrub({ ...configured, ...command }), catalogue);
  }

  async exports(): Promise<ExportView[]> {
    const connections = await this.connectionsByExport();
    return this.#parts.catalogue.exports.list().map((item) => this.#exportView(item, connections));
  }

  async export(name: string): Promise<ExportView> {
    return this.#exportView(this.#parts.catalogue.exports.get(name), await this.connectionsByExport());
  }

  /** Tries the file or volume first: an export of nothing is refused. */
  async addExport(request: NewExport): Promise<ExportView> {
    const { catalogue, grants, plane } = this.#parts;
    const item = await catalogue.exports.add(request);
    try {
      await plane.describeNew(grants.grant(item));
    } catch (error) {
      await catalogue.exports.remove(item.name);
      grants.forgetUnused();
      throw error;
    }
    return this.#exportView(item, new Map());
  }

  async removeExport(name: string, force: boolean): Promise<void> {
    const { catalogue, grants, plane } = this.#parts;
    const item = catalogue.exports.get(name);
    // Its volume's snapshots are offered with it.
    const names = [name, ...grants.snapshotNames(item)];
    const connections = await this.connectionsByExport();
    const count = names.reduce((sum, each) => sum + (connections.get(each) ?? 0), 0);
    if (count > 0 && !force) {
      throw new AshlarError(
        'busy',
        `${count === 1 ? 'a client is' : `${count} clients are`} attached to the export '${name}': detach first, or say --force`,
      );
    }
    await catalogue.exports.remove(name);
    for (const exportName of names) await plane.disconnect({ exportName });
    grants.forgetUnused();
  }

  async connections(): Promise<ConnectionView[]> {
    const found = await this.#parts.plane.connections();
    return found.map(({ id, exportName, peer, identity, tls, sinceMs }) => {
      const since = new Date(sinceMs).toISOString();
      return { id, exportName, peer, tls, since, ...(identity === undefined ? {} : { identity }) };
    });
  }

  async disconnect(id: number): Promise<void> {
    if ((await this.#parts.plane.disconnect({ id })) > 0) return;
    throw new AshlarError('not-found', `there is no connection ${id}: 'ashlar status' shows those there are`);
  }

  /** Clients attached, by the name of the export. */
  async connectionsByExport(): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for (const { exportName } of await this.#parts.plane.connections()) {
      counts.set(exportName, (counts.get(exportName) ?? 0) + 1);
    }
    return counts;
  }

  async #view(asked: Volume, connections: ReadonlyMap<string, number>): Promise<VolumeView> {
    const { allocatedBytes, uncompressedBytes } = await this.#parts.catalogue.usage(asked.name);
    // What was changed meanwhile is seen whole: a clone that is flat has no origin.
    const volume = this.#parts.catalogue.byUuid(asked.uuid) ?? asked;
    const {
      name,
      uuid,
      type,
      sizeBytes,
      reservedBytes = 0,
      preallocation,
      created,
      limits,
      receiving,
      schedules = [],
      compression = 'off',
    } = volume;
    const exports = this.#parts.catalogue.exports.of(volume).map((item) => item.name);
    const reason = this.#parts.catalogue.heldReason(volume);
    const flatten = this.#parts.flattener.viewOf(uuid);
    const attached = exports.reduce((sum, item) => sum + (connections.get(item) ?? 0), 0);
    return {
      name,
      uuid,
      type,
      ...(reason === undefined ? { state: 'ok' } : { state: 'held', reason }),
      afterLoss: this.#parts.catalogue.afterLossOf(volume),
      sizeBytes,
      allocatedBytes,
      reservedBytes,
      uncompressedBytes,
      preallocation,
      compression,
      created,
      limits,
      exports,
      snapshots: this.#parts.catalogue.snapshots.of(volume).length,
      ...this.snapshots.originOf(volume),
      ...(flatten === undefined ? {} : { flatten }),
      ...(receiving === undefined ? {} : { receiving }),
      schedules: schedules.map((each) => ({ name: each.name, everySeconds: each.everySeconds, keep: each.keep })),
      connections: attached,
    };
  }

  #exportView(item: Export, connections: ReadonlyMap<string, number>): ExportView {
    const { name, source, readOnly, resizable = false, allow, over, created } = item;
    const volume = source.kind === 'volume' ? this.#parts.catalogue.byUuid(source.uuid) : undefined;
    return {
      name,
      ...(volume === undefined ? {} : { volume: volume.name, sizeBytes: volume.sizeBytes }),
      ...(source.kind === 'uri' ? { uri: source.uri } : {}),
      readOnly,
      resizable,
      allow: [...allow],
      over: [...over],
      created,
      connections: connections.get(name) ?? 0,
      uris: [...this.#parts.urisOf(name)],
    };
  }
}
