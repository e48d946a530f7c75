import { AshlarError, type PoolStatus } from '@ashlar/core';
import type { Plane } from '@ashlar/plane';
import type { Catalogue, Export, NewExport, NewVolume, Volume } from '@ashlar/volume';
import type * as z from 'zod';
import type {
  acceptSchema,
  connectionSchema,
  exportSchema,
  newVolumeSchema,
  volumeChangeSchema,
  volumeSchema,
} from './admin/schemas.ts';
import { sizeOf } from './admin/size.ts';
import type { Grants } from './grants.ts';

export type VolumeView = z.output<typeof volumeSchema>;
export type ExportView = z.output<typeof exportSchema>;
export type ConnectionView = z.output<typeof connectionSchema>;

type Parts = {
  readonly catalogue: Catalogue;
  readonly grants: Grants;
  readonly plane: Plane;
  /** URIs that an export's name is found under, now. */
  readonly urisOf: (exportName: string) => readonly string[];
};

/** What the admin API does, on names as users say them. Errors are AshlarErrors with a sentence for the user. */
export class Control {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  poolStatus(): Promise<PoolStatus> {
    return this.#parts.plane.status();
  }

  get counts(): { readonly volumes: number; readonly held: string[]; readonly exports: number } {
    const { catalogue } = this.#parts;
    const volumes = catalogue.volumes();
    const held = volumes.filter((volume) => catalogue.isHeld(volume)).map(({ name }) => name);
    return { volumes: volumes.length, held, exports: catalogue.exports().length };
  }

  async volumes(): Promise<VolumeView[]> {
    const connections = await this.connectionsByExport();
    return Promise.all(this.#parts.catalogue.volumes().map((volume) => this.#view(volume, connections)));
  }

  async volume(name: string): Promise<VolumeView> {
    return this.#view(this.#parts.catalogue.volume(name), await this.connectionsByExport());
  }

  async createVolume(request: z.output<typeof newVolumeSchema>): Promise<VolumeView> {
    const { size, afterLoss, ...others } = request;
    const wanted: NewVolume = { ...others, sizeBytes: sizeOf(size), ...(afterLoss === undefined ? {} : { afterLoss }) };
    return this.#view(await this.#parts.catalogue.createVolume(wanted), new Map());
  }

  async changeVolume(name: string, change: z.output<typeof volumeChangeSchema>): Promise<VolumeView> {
    const { catalogue, plane } = this.#parts;
    if (change.size !== undefined) await catalogue.resizeVolume(name, sizeOf(change.size), change.shrink);
    if (change.limits !== undefined) {
      const { storeId, limits } = await catalogue.setLimits(name, change.limits);
      await plane.setLimits(storeId, limits);
    }
    if (change.name !== undefined && change.name !== name) await catalogue.renameVolume(name, change.name);
    return this.volume(change.name ?? name);
  }

  /** Serves a volume again that was held. */
  async acceptVolume(name: string, { afterLoss }: z.output<typeof acceptSchema>): Promise<VolumeView> {
    await this.#parts.catalogue.acceptVolume(name, afterLoss);
    return this.volume(name);
  }

  async removeVolume(name: string, force: boolean): Promise<void> {
    const { catalogue, grants } = this.#parts;
    await catalogue.removeVolume(name, force);
    grants.forgetUnused();
  }

  async exports(): Promise<ExportView[]> {
    const connections = await this.connectionsByExport();
    return this.#parts.catalogue.exports().map((item) => this.#exportView(item, connections));
  }

  async export(name: string): Promise<ExportView> {
    return this.#exportView(this.#parts.catalogue.export(name), await this.connectionsByExport());
  }

  /** Tries the file or volume first: an export of nothing is refused. */
  async addExport(request: NewExport): Promise<ExportView> {
    const { catalogue, grants, plane } = this.#parts;
    const item = await catalogue.addExport(request);
    try {
      await plane.describe(grants.grant(item));
    } catch (error) {
      await catalogue.removeExport(item.name);
      grants.forgetUnused();
      throw error;
    }
    return this.#exportView(item, new Map());
  }

  async removeExport(name: string, force: boolean): Promise<void> {
    const { catalogue, grants, plane } = this.#parts;
    const count = (await this.connectionsByExport()).get(catalogue.export(name).name) ?? 0;
    if (count > 0 && !force) {
      throw new AshlarError(
        'busy',
        `${count === 1 ? 'a client is' : `${count} clients are`} attached to the export '${name}': detach first, or say --force`,
      );
    }
    await catalogue.removeExport(name);
    await plane.disconnect({ exportName: name });
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

  async #view(volume: Volume, connections: ReadonlyMap<string, number>): Promise<VolumeView> {
    const { name, uuid, type, sizeBytes, preallocation, created, limits } = volume;
    const { allocatedBytes } = await this.#parts.catalogue.space(name);
    const exports = this.#parts.catalogue
      .exports()
      .flatMap((item) => (item.source.kind === 'volume' && item.source.uuid === uuid ? [item.name] : []));
    const reason = this.#parts.catalogue.heldReason(volume);
    const attached = exports.reduce((sum, item) => sum + (connections.get(item) ?? 0), 0);
    return {
      name,
      uuid,
      type,
      ...(reason === undefined ? { state: 'ok' } : { state: 'held', reason }),
      afterLoss: this.#parts.catalogue.afterLossOf(volume),
      sizeBytes,
      allocatedBytes,
      preallocation,
      created,
      limits,
      exports,
      connections: attached,
    };
  }

  #exportView(item: Export, connections: ReadonlyMap<string, number>): ExportView {
    const { name, source, readOnly, allow, over, created } = item;
    const volume =
      source.kind === 'volume' ? this.#parts.catalogue.volumes().find(({ uuid }) => uuid === source.uuid) : undefined;
    return {
      name,
      ...(volume === undefined ? {} : { volume: volume.name, sizeBytes: volume.sizeBytes }),
      ...(source.kind === 'uri' ? { uri: source.uri } : {}),
      readOnly,
      allow: [...allow],
      over: [...over],
      created,
      connections: connections.get(name) ?? 0,
      uris: [...this.#parts.urisOf(name)],
    };
  }
}
