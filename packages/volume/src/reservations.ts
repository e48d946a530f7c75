import { AshlarError, alignUp, formatSize } from '@ashlar/core';
import type { Serial } from './serial.ts';
import type { VolumeStores } from './stores.ts';
import type { Volume } from './types.ts';

type ReservationsParts = {
  readonly serial: Serial;
  readonly stores: Pick<VolumeStores, 'reserve'>;
  /** Throws `not-found`. */
  readonly volume: (name: string) => Volume;
  /** On record, durably, when it settles. */
  readonly put: (volume: Volume) => Promise<void>;
};

/** Blocks of a pool: room is reserved in whole ones. */
const blockBytes = 4096;

/** Room that the pool keeps for volumes. */
export class Reservations {
  readonly #parts: ReservationsParts;

  constructor(parts: ReservationsParts) {
    this.#parts = parts;
  }

  /** 0: none any more. Throws `no-space` where it does not fit into the pool, `invalid` for more than the volume can have. */
  set(name: string, bytes: number): Promise<Volume> {
    const { serial, stores, volume: find, put } = this.#parts;
    return serial.run(async () => {
      const volume = find(name);
      const wanted = reservationOf(volume, bytes);
      await stores.reserve(volume.storeId, wanted, true);
      const changed = withReservation(volume, wanted);
      try {
        await put(changed);
      } catch (error) {
        await stores.reserve(volume.storeId, volume.reservedBytes ?? 0, false);
        throw error;
      }
      return changed;
    });
  }

  /** For a volume that was made smaller: no more is reserved than it can have. In the line of changes. */
  async fit(volume: Volume): Promise<Volume> {
    const most = alignUp(volume.sizeBytes, blockBytes);
    if ((volume.reservedBytes ?? 0) <= most) return volume;
    const changed = withReservation(volume, most);
    await this.#parts.stores.reserve(volume.storeId, most, false);
    await this.#parts.put(changed);
    return changed;
  }

  /** At the start: the pool has forgotten them. What does not fit any more stays reserved, so that others take no more. */
  async restore(volumes: Iterable<Volume>): Promise<void> {
    for (const { storeId, reservedBytes = 0 } of volumes) {
      if (reservedBytes > 0) await this.#parts.stores.reserve(storeId, reservedBytes, false);
    }
  }
}

/** What is reserved where so many bytes are asked for: whole blocks. Throws `invalid`. */
export function reservationOf({ name, sizeBytes }: Pick<Volume, 'name' | 'sizeBytes'>, bytes: number): number {
  const whole = alignUp(bytes, blockBytes);
  if (Number.isSafeInteger(bytes) && bytes >= 0 && whole <= alignUp(sizeBytes, blockBytes)) return whole;
  throw new AshlarError(
    'invalid',
    `${formatSize(bytes)} cannot be reserved for the volume '${name}': it has ${formatSize(sizeBytes)}, and needs no more`,
    { volume: name },
  );
}

function withReservation(volume: Volume, bytes: number): Volume {
  const { reservedBytes: _, ...others } = volume;
  return bytes === 0 ? others : { ...others, reservedBytes: bytes };
}
