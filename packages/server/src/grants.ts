import { deviceStats, deviceStatsBytes, type DeviceStats } from '@ashlar/block';
import { AshlarError } from '@ashlar/core';
import { sourceKey, type DeviceSource, type Grant } from '@ashlar/plane';
import { AddressRanges, filePathOf, heldError, type Catalogue, type Export, type Volume } from '@ashlar/volume';

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

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  /** Names a client at `address` is shown. */
  namesFor(address: string): readonly string[] {
    return this.#catalogue.exports().flatMap((item) => (mayAttach(item, address) ? [item.name] : []));
  }

  /**
   * What an export's name stands for; undefined where there is none. The empty name is the only export that the client may
   * attach to. Throws `denied`, also for a volume that is held. `address`: `unix`, or an IP address.
   */
  find(exportName: string, address: string): Grant | undefined {
    const name = exportName === '' ? this.#onlyName(address) : exportName;
    const item = name === undefined ? undefined : this.#catalogue.findExport(name);
    if (item === undefined) return undefined;
    if (!mayAttach(item, address)) {
      throw new AshlarError('denied', `${address} may not attach to the export '${item.name}'`, { peer: address });
    }
    const volume = this.#catalogue.volumeOf(item);
    const reason = volume === undefined ? undefined : this.#catalogue.heldReason(volume);
    if (volume !== undefined && reason !== undefined) throw heldError(volume.name, reason);
    return this.grant(item);
  }

  grant(item: Export): Grant {
    const source = this.#sourceOf(item);
    return { exportName: item.name, source, readOnly: item.readOnly, stats: this.#countersOf(source).memory };
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
    const used = new Set(this.#catalogue.volumes().map((volume) => sourceKey(volumeSource(volume))));
    for (const item of this.#catalogue.exports())
      if (item.source.kind === 'uri') used.add(sourceKey(this.#sourceOf(item)));
    for (const key of this.#counters.keys()) if (!used.has(key)) this.#counters.delete(key);
  }

  #onlyName(address: string): string | undefined {
    const names = this.namesFor(address);
    return names.length === 1 ? names[0] : undefined;
  }

  #sourceOf(item: Export): DeviceSource {
    if (item.source.kind === 'uri') return { kind: 'file', path: filePathOf(item.source.uri), readOnly: item.readOnly };
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

/** An export without rules is for all that may connect; the Unix socket is guarded by its file's mode. */
function mayAttach(item: Export, address: string): boolean {
  return address === 'unix' || item.allow.length === 0 || new AddressRanges(item.allow).has(address);
}
