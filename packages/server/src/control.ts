import { AshlarError, type PoolStatus, type ScrubCommand } from '@ashlar/core';
import type { Plane } from '@ashlar/plane';
import { directoryNamedBy, type Catalogue, type Export, type NewVolume, type Volume } from '@ashlar/volume';
import type * as z from 'zod';
import type {
  acceptSchema,
  connectionSchema,
  exportChangeSchema,
  exportSchema,
  lockSchema,
  newCloneSchema,
  newExportSchema,
  newVolumeSchema,
  nfsClientSchema,
  removeVolumeQuery,
  rollBackSchema,
  volumeChangeSchema,
  volumeSchema,
} from './admin/schemas.ts';
import { sizeOf } from './admin/size.ts';
import { checkExportedDirectory } from './exported-directory.ts';
import type { Flattener } from './flattener.ts';
import type { Grants } from './grants.ts';
import { clientsNamed, clientsText } from './nfs-clients.ts';
import type { NfsFront } from './nfs-front.ts';
import { scrubView, type ScrubView } from './scrub-view.ts';
import { SnapshotControl } from './snapshot-control.ts';

export type VolumeView = z.output<typeof volumeSchema>;
export type ExportView = z.output<typeof exportSchema>;
export type ConnectionView = z.output<typeof connectionSchema>;
export type NfsClientView = z.output<typeof nfsClientSchema>;
export type LockView = z.output<typeof lockSchema>;

type Parts = {
  readonly catalogue: Catalogue;
  readonly grants: Grants;
  readonly plane: Plane;
  /** The server's own, as it really is. */
  readonly dataDirectory: string;
  readonly flattener: Flattener;
  /** URIs that an export is found under, now. */
  readonly urisOf: (item: Export) => readonly string[];
  /** What is exported over NFS was changed; fails where nothing can be. */
  readonly nfs: Pick<NfsFront, 'open' | 'offer' | 'offerAgain' | 'without'>;
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
    const isOverNfs = request.type === 'file' && request.exported;
    // Where it cannot listen nothing is made.
    if (isOverNfs) await this.#parts.nfs.open();
    const volume = await this.#parts.catalogue.createVolume(wanted);
    if (isOverNfs) await this.#parts.nfs.offer();
    else if (request.type === 'file') await this.#parts.nfs.offerAgain();
    return this.#view(volume, new Map());
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
    if (change.name !== undefined && change.name !== name) await this.#rename(name, change.name);
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
    await this.#parts.nfs.offer();
    return this.volume(name);
  }

  async removeVolume(name: string, { force, snapshots }: z.output<typeof removeVolumeQuery>): Promise<void> {
    const { catalogue, flattener, grants, nfs } = this.#parts;
    const { flattening, type, uuid } = catalogue.volume(name);
    // It would open the tree again.
    if (type === 'file' && flattening === true) await flattener.stop(name);
    if (type === 'file') await nfs.without(uuid, () => catalogue.removeVolume(name, force, snapshots));
    else await catalogue.removeVolume(name, force, snapshots);
    grants.forgetUnused();
  }

  async cloneVolume(snapshot: string, request: z.output<typeof newCloneSchema>): Promise<VolumeView> {
    const { catalogue, nfs } = this.#parts;
    const isTree = catalogue.snapshots.find(snapshot).volume.type === 'file';
    const isOverNfs = isTree && request.exported;
    // Where it cannot listen nothing is made.
    if (isOverNfs) await nfs.open();
    const volume = await catalogue.cloneVolume(snapshot, request);
    if (isOverNfs) await nfs.offer();
    else if (isTree) await nfs.offerAgain();
    return this.#view(volume, new Map());
  }

  async rollBack(snapshot: string, request: z.output<typeof rollBackSchema>): Promise<VolumeView> {
    const { catalogue, grants, nfs } = this.#parts;
    const { volume } = catalogue.snapshots.find(snapshot);
    const rollBack = () => catalogue.rollBack(snapshot, request);
    await (volume.type === 'file' ? nfs.without(volume.uuid, rollBack) : rollBack());
    grants.forgetUnused();
    return this.volume(volume.name);
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
    return this.#parts.grants.exports().map((item) => this.#exportView(item, connections));
  }

  async export(name: string): Promise<ExportView> {
    const { catalogue, grants } = this.#parts;
    const item = grants.exports().find((each) => each.name === name) ?? catalogue.exports.get(name);
    return this.#exportView(item, await this.connectionsByExport());
  }

  /** Tries the file or volume first: an export of nothing is refused. */
  async addExport({ clients, ...request }: z.output<typeof newExportSchema>): Promise<ExportView> {
    const { catalogue, dataDirectory, grants, plane } = this.#parts;
    this.#refuseOfFile(request.name);
    const directory = directoryNamedBy(request.source);
    if (directory !== undefined) checkExportedDirectory(directory, dataDirectory);
    const item = await catalogue.exports.add({ ...request, clients: clientsNamed(clients ?? '') });
    if (item.over.includes('nfs')) return this.#offered(item, directory);
    try {
      await plane.describeNew(grants.grant(item));
    } catch (error) {
      await catalogue.exports.remove(item.name);
      grants.forgetUnused();
      throw error;
    }
    return this.#exportView(item, new Map());
  }

  /** Its clients keep what they mounted, and go by the new rules from their next call on. */
  async changeExport(name: string, { clients, ...change }: z.output<typeof exportChangeSchema>): Promise<ExportView> {
    const { catalogue, nfs } = this.#parts;
    this.#refuseOfFile(name);
    const named = clients === undefined ? {} : { clients: clientsNamed(clients) };
    const item = await catalogue.exports.change(name, { ...change, ...named });
    if (item.over.includes('nfs')) await nfs.offer();
    return this.#exportView(item, await this.connectionsByExport());
  }

  async removeExport(name: string, force: boolean): Promise<void> {
    const { catalogue, grants, nfs, plane } = this.#parts;
    this.#refuseOfFile(name);
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
    if (item.over.includes('nfs')) await nfs.offer();
    grants.forgetUnused();
  }

  async connections(): Promise<ConnectionView[]> {
    const found = await this.#parts.plane.connections();
    return found.map(({ id, exportName, peer, identity, tls, sinceMs }) => {
      const since = new Date(sinceMs).toISOString();
      return { id, exportName, peer, tls, since, ...(identity === undefined ? {} : { identity }) };
    });
  }

  async nfsClients(): Promise<NfsClientView[]> {
    const found = await this.#parts.plane.nfsClients();
    return found.map(({ address, calls, connections, sinceMs }) => {
      return { address, connections, since: new Date(sinceMs).toISOString(), calls };
    });
  }

  async locks(): Promise<LockView[]> {
    const found = await this.#parts.plane.locks();
    return found.map(({ client, fileId, from, isExclusive, path, to }) => {
      return { client, export: path, file: fileId, from, to: to === Infinity ? null : to, exclusive: isExclusive };
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

  /** Throws `denied`. */
  #refuseOfFile(name: string): void {
    const place = this.#parts.grants.file.placeOf(name);
    if (place === undefined) return;
    throw new AshlarError('denied', `the export '${name}' is that of ${place}: change it there, and reload`);
  }

  async #offered(item: Export, directory: string | undefined): Promise<ExportView> {
    const { catalogue, nfs, plane } = this.#parts;
    try {
      if (directory !== undefined) await plane.openDirectory(directory);
      await nfs.offer();
    } catch (error) {
      await catalogue.exports.remove(item.name);
      throw error;
    }
    return this.#exportView(item, new Map());
  }

  async #rename(name: string, to: string): Promise<void> {
    const { type } = await this.#parts.catalogue.renameVolume(name, to);
    if (type === 'file') await this.#parts.nfs.offer();
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
    const { name, source, readOnly, resizable = false, allow, clients, over, nfs, created } = item;
    const place = over.includes('nfs') ? this.#parts.grants.file.placeOf(name) : undefined;
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
      ...(nfs === undefined || clients !== undefined ? {} : { nfs }),
      ...(clients === undefined ? {} : { clients: clientsText(clients) }),
      ...(place === undefined ? {} : { file: place }),
      uris: [...this.#parts.urisOf(item)],
    };
  }
}
