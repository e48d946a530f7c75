import { AshlarError, type FlattenProgress } from '@ashlar/core';
import type { Serial } from './serial.ts';
import type { VolumeStores } from './stores.ts';
import type { Volume, VolumeSnapshot } from './types.ts';

type Parts = {
  readonly serial: Serial;
  readonly stores: Pick<VolumeStores, 'flatten'>;
  /** Throws `not-found`. */
  readonly volume: (name: string) => Volume;
  /** Nothing where it was removed. */
  readonly byUuid: (uuid: string) => Volume | undefined;
  readonly snapshotsOf: (volume: Volume) => readonly VolumeSnapshot[];
  /** Durable when it settles. */
  readonly put: (volume: Volume) => Promise<void>;
};

/** Clones that become volumes of their own. That it is wanted is on record, so that the next start goes on with it. */
export class Flattening {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** `invalid` for a volume that is no clone, `busy` for one with snapshots. From now on none is taken of it, until it is flat. */
  begin(name: string): Promise<Volume> {
    const { serial, volume: find, snapshotsOf, put } = this.#parts;
    return serial.run(async () => {
      const volume = find(name);
      if (volume.origin === undefined) {
        throw new AshlarError('invalid', `the volume '${name}' is no clone: there is nothing to flatten`);
      }
      const snapshots = snapshotsOf(volume).map((each) => `${name}@${each.name}`);
      if (snapshots.length > 0) {
        throw new AshlarError(
          'busy',
          `the volume '${name}' has snapshots (${snapshots.join(', ')}), which have what is its origin's: remove those first`,
          { volume: name },
        );
      }
      const wanted: Volume = { ...volume, flattening: true };
      await put(wanted);
      return wanted;
    });
  }

  /** Copies some more, beside other changes. Gives nothing where that is not wanted (any more). When all is copied, it is on record as no clone. */
  async step(uuid: string): Promise<FlattenProgress | undefined> {
    const volume = this.#parts.byUuid(uuid);
    if (volume?.flattening !== true) return undefined;
    const progress = await this.#parts.stores.flatten(volume);
    if (progress.isDone) await this.#change(uuid, flat);
    return progress;
  }

  /** Gives it up: the volume stays a clone, which has more of its own. */
  end(uuid: string): Promise<void> {
    return this.#change(uuid, unwanted);
  }

  #change(uuid: string, change: (volume: Volume) => Volume): Promise<void> {
    const { serial, byUuid, put } = this.#parts;
    return serial.run(async () => {
      const volume = byUuid(uuid);
      if (volume?.flattening === true) await put(change(volume));
    });
  }
}

/** As it is when all is copied. */
function flat(volume: Volume): Volume {
  const { origin: _, ...others } = volume;
  return unwanted(others);
}

/** As it is when nobody wants it flat (any more). */
function unwanted(volume: Volume): Volume {
  const { flattening: _, ...others } = volume;
  return others;
}
