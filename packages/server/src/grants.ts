import { createHash } from 'node:crypto';
import { deviceStats, deviceStatsBytes, type DeviceStats } from '@ashlar/block';
import { AshlarError } from '@ashlar/core';
import type { ContextOffer } from '@ashlar/nbd';
import { sourceKey, type DeviceSource, type Grant, type NfsGrant } from '@ashlar/plane';
import {
  AddressRanges,
  directoryNamedBy,
  fileNamedBy,
  heldError,
  type Catalogue,
  type Export,
  type NfsRules,
  type Volume,
  type VolumeSnapshot,
} from '@ashlar/volume';
import type { ExportsFile } from './exports-file.ts';
import { exportRules } from './nfs-clients.ts';

/** A volume or file with its counters since the start of the process. */
type Device = { readonly name: string; readonly kind: 'volume' | 'file'; readonly stats: DeviceStats };

type Counters = {
  readonly source: DeviceSource;
  readonly memory: SharedArrayBuffer;
  readonly stats: DeviceStats;
};

/**
 * Who may attach to what: turns an export's name into what the data plane opens. The counters of each device are made
 * here, in memory that the worker writes and this thread reads.
 */
export class Grants {
  readonly #catalogue: Catalogue;
  readonly #counters = new Map<string, Counters>();
  /** What it exports takes the place of what the catalogue does under the same names. */
  readonly file: ExportsFile;

  constructor(catalogue: Catalogue, file: ExportsFile) {
    this.#catalogue = catalogue;
    this.file = file;
  }

  /** What is offered, by name. */
  exports(): readonly Export[] {
    const ofFile = this.file.exports();
    const names = new Set(ofFile.map(({ name }) => name));
    const others = this.#catalogue.exports.list().filter(({ name, over }) => !over.includes('nfs') || !names.has(name));
    return [...ofFile, ...others].toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** Names a client at `address` is shown: those of exports, and behind each those of its volume's snapshots. */
  namesFor(address: string): readonly string[] {
    return this.#catalogue.exports.list().flatMap((item) => {
      if (!item.over.includes('nbd') || !mayAttach(item, address)) return [];
      return [item.name, ...this.snapshotNames(item)];
    });
  }

  /** Names that the snapshots of an export's volume are offered under with it. */
  snapshotNames(item: Export): readonly string[] {
    return this.#snapshotsOf(item).map(({ name }) => `${item.name}@${name}`);
  }

  /**
   * What an export's name stands for, or `EXPORT@SNAPSHOT`; undefined where there is none. The empty name is the only export that
   * the client may attach to. Throws `denied`, also for a volume that is held. `address`: `unix`, or an IP address.
   */
  find(exportName: string, address: string): Grant | undefined {
    const name = exportName === '' ? this.#onlyName(address) : exportName;
    if (name === undefined) return undefined;
    const [itemName = '', snapshotName] = name.split('@', 2);
    const item = this.#catalogue.exports.find(itemName);
    if (item === undefined || !item.over.includes('nbd')) return undefined;
    if (!mayAttach(item, address)) {
      throw new AshlarError('denied', `${address} may not attach to the export '${item.name}'`, { peer: address });
    }
    if (snapshotName !== undefined) return this.#snapshotGrant(item, snapshotName);
    const volume = this.#catalogue.volumeOf(item);
    const reason = volume === undefined ? undefined : this.#catalogue.heldReason(volume);
    if (volume !== undefined && reason !== undefined) throw heldError(volume.name, reason);
    return this.grant(item);
  }

  grant(item: Export): Grant {
    const source = this.#sourceOf(item);
    const contexts = source.kind === 'file' ? [] : contextsOf(this.#snapshotsOf(item));
    const { name: exportName, readOnly, resizable: mayResize = false } = item;
    return { exportName, source, readOnly, mayResize, stats: this.#countersOf(source).memory, contexts };
  }

  /** What is exported over NFS. */
  nfs(): NfsGrant[] {
    return this.exports().flatMap((item) => {
      const grant = item.nfs === undefined ? undefined : this.#nfsGrant(item, item.nfs);
      return grant ?? [];
    });
  }

  /** Every volume, used or not, then the files that were used. */
  devices(): Device[] {
    const volumes = this.#catalogue.volumes().map((volume): Device => {
      return { name: volume.name, kind: 'volume', stats: this.#countersOf(volumeSource(volume)).stats };
    });
    const files = [...this.#counters.values()].flatMap(({ source, stats }): Device[] =>
      source.kind === 'file' ? [{ name: source.path, kind: 'file', stats }] : [],
    );
    return [...volumes, ...files];
  }

  /** Forgets the counters of what is offered no more. */
  forgetUnused(): void {
    const used = new Set(
      this.#catalogue
        .volumes()
        .flatMap((volume) => [
          sourceKey(volumeSource(volume)),
          ...this.#catalogue.snapshots.of(volume).map((snapshot) => sourceKey(snapshotSource(volume, snapshot))),
        ]),
    );
    for (const item of this.#catalogue.exports.list())
      if (item.source.kind === 'uri' && item.nfs === undefined) used.add(sourceKey(this.#sourceOf(item)));
    for (const key of this.#counters.keys()) if (!used.has(key)) this.#counters.delete(key);
  }

  /** Nothing of a volume that is away. */
  #nfsGrant(item: Export, rules: NfsRules): NfsGrant | undefined {
    const { allow, name } = item;
    const path = `/${name}`;
    const all = exportRules(rules, item.readOnly);
    const clients =
      item.clients === undefined
        ? (allow.length === 0 ? ['*'] : allow).map((client) => ({ client, rules: all }))
        : item.clients.map((each) => ({
            client: each.client,
            rules: exportRules(each, item.readOnly || each.readOnly),
          }));
    if (item.source.kind === 'uri') return directoryGrant(path, item.source.uri, clients);
    const volume = this.#catalogue.byUuid(item.source.uuid);
    if (volume === undefined) return undefined;
    const { objectId, sizeBytes, storeId, uuid } = volume;
    // A handle leads to the rules that it was given by: each further export of a volume has a number of its own.
    const numbered = name === volume.name ? uuid : `${uuid}/export/${name}`;
    return {
      path,
      fileSystem: fileSystemOf(numbered),
      treeNumber: fileSystemOf(uuid),
      source: { kind: 'volume', uuid, storeId, objectId, sizeBytes },
      isWithdrawn: this.#catalogue.isHeld(volume),
      snapshots: {
        fileSystem: fileSystemOf(`${numbered}/.snapshot`),
        all: this.#catalogue.snapshots.of(volume).map(({ created, name, snapshotId }) => ({
          name,
          snapshotId,
          fileSystem: fileSystemOf(`${numbered}/${snapshotId}`),
          takenSeconds: Math.floor(Date.parse(created) / 1000),
        })),
      },
      clients,
    };
  }

  #onlyName(address: string): string | undefined {
    const items = this.#catalogue.exports
      .list()
      .filter((item) => item.over.includes('nbd') && mayAttach(item, address));
    return items.length === 1 ? items[0]?.name : undefined;
  }

  #snapshotsOf({ source }: Export): readonly VolumeSnapshot[] {
    return source.kind === 'uri' ? [] : this.#catalogue.snapshots.of({ uuid: source.uuid });
  }

  /** All of a snapshot is durable, so it is there to look at while its volume is held as well. */
  #snapshotGrant(item: Export, name: string): Grant | undefined {
    const snapshots = this.#snapshotsOf(item);
    const snapshot = snapshots.find((each) => each.name === name);
    const volume = this.#catalogue.volumeOf(item);
    if (snapshot === undefined || volume === undefined) return undefined;
    const source = snapshotSource(volume, snapshot);
    const contexts = contextsOf(snapshots.filter(({ snapshotId }) => snapshotId < snapshot.snapshotId));
    const exportName = `${item.name}@${name}`;
    return { exportName, source, readOnly: true, mayResize: false, stats: this.#countersOf(source).memory, contexts };
  }

  #sourceOf(item: Export): DeviceSource {
    if (item.source.kind === 'uri') {
      return { kind: 'file', ...fileNamedBy(item.source.uri), readOnly: item.readOnly };
    }
    const volume = this.#catalogue.volumeOf(item);
    if (volume === undefined)
      throw new AshlarError('not-found', `the volume behind the export '${item.name}' is not there`);
    return volumeSource(volume);
  }

  #countersOf(source: DeviceSource): Counters {
    const key = sourceKey(source);
    const there = this.#counters.get(key);
    if (there !== undefined) return there;
    const memory = new SharedArrayBuffer(deviceStatsBytes);
    const made = { source, memory, stats: deviceStats(memory) };
    this.#counters.set(key, made);
    return made;
  }
}

function volumeSource({ uuid, storeId, objectId, limits }: Volume): DeviceSource {
  return { kind: 'volume', uuid, storeId, objectId, limits };
}

function snapshotSource({ uuid, storeId, objectId }: Volume, { snapshotId }: VolumeSnapshot): DeviceSource {
  return { kind: 'snapshot', uuid, storeId, objectId, snapshotId };
}

/** NBD's metadata contexts of a volume with these snapshots, under the names that backup programs know (QEMU, docs/interop/nbd.rst). */
function contextsOf(snapshots: readonly VolumeSnapshot[]): readonly ContextOffer[] {
  const changes = snapshots.map(({ name, snapshotId }): ContextOffer => ({
    name: `qemu:dirty-bitmap:${name}`,
    source: { kind: 'changes', since: snapshotId },
  }));
  return [{ name: 'qemu:allocation-depth', source: { kind: 'depth' } }, ...changes];
}

/** Each export of a directory is a file system of its own: its rules are those that its handles go by. */
function directoryGrant(path: string, uri: string, clients: NfsGrant['clients']): NfsGrant | undefined {
  const directory = directoryNamedBy(uri);
  if (directory === undefined) return undefined;
  const name = `${path}:${directory}`;
  return {
    path,
    fileSystem: fileSystemOf(name),
    treeNumber: fileSystemOf(name),
    source: { kind: 'directory', path: directory },
    isWithdrawn: false,
    snapshots: { fileSystem: fileSystemOf(`${name}/.snapshot`), all: [] },
    clients,
  };
}

/** The number of a file system that NFS clients know it by: no two names have one. */
const fileSystemOf = (name: string): bigint => createHash('sha256').update(name).digest().readBigUInt64BE();

/** An export without rules is for all that may connect; the Unix socket is guarded by its file's mode. */
function mayAttach(item: Export, address: string): boolean {
  return address === 'unix' || item.allow.length === 0 || new AddressRanges(item.allow).has(address);
}
