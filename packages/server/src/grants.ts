import { deviceStats, deviceStatsBytes, type DeviceStats } from '@ashlar/block';
import { AshlarError } from '@ashlar/core';
import { sourceKey, type DeviceSource, type Grant } from '@ashlar/plane';
import { AddressRanges, filePathOf, type Catalogue, type Export } from '@ashlar/volume';

/** The counters of one volume or file, kept from its first use to the end of the process. */
export type Counters = {
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

  /** Throws `not-found`, and `denied` where the address may not attach. `address`: `unix`, or an IP address. */
  grant(exportName: string, address: string): Grant {
    const item = this.#catalogue.export(exportName);
    if (!mayAttach(item, address)) {
      throw new AshlarError('denied', `${address} may not attach to the export '${exportName}'`, { peer: address });
    }
    const source = this.#sourceOf(item);
    return { exportName, source, readOnly: item.readOnly, stats: this.#countersOf(source).memory };
  }

  /** The counters of all devices that were ever used. */
  counters(): readonly Counters[] {
    return [...this.#counters.values()];
  }

  /** Forgets those of a removed volume. */
  forget(uuid: string): void {
    this.#counters.delete(`volume:${uuid}`);
  }

  #sourceOf(item: Export): DeviceSource {
    if (item.source.kind === 'uri') return { kind: 'file', path: filePathOf(item.source.uri), readOnly: item.readOnly };
    const volume = this.#catalogue.volumeOf(item);
    if (volume === undefined)
      throw new AshlarError('not-found', `the volume behind the export '${item.name}' is not there`);
    const { uuid, storeId, objectId, limits } = volume;
    return { kind: 'volume', uuid, storeId, objectId, limits };
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

/** An export without rules is for all that may connect; the Unix socket is guarded by its file's mode. */
function mayAttach(item: Export, address: string): boolean {
  return address === 'unix' || item.allow.length === 0 || new AddressRanges(item.allow).has(address);
}
