import { AshlarError, assert, formatSize, KiB } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { blockSize } from './checksum.ts';
import { decodeDeviceLabel, encodeDeviceLabel, labelledBytes, type DeviceLabel } from './format/device-label.ts';
import type { SlotPlaces } from './slot-places.ts';

/**
 * Bytes of a slot on a device. No more than a write that goes to a slot of its own has at the least: so a chunk is not spread over two slots, which
 * would both take all of their room.
 */
export const deviceSlotBytes = 64 * KiB;

/** Slots on one device behind its label, one behind the other. */
export class DevicePlaces implements SlotPlaces {
  readonly isWhole = true;
  readonly most: number;
  readonly isDirect = true;
  readonly #host: Host;
  readonly #file: HostFile;
  readonly #label: DeviceLabel;
  #isLabelled: boolean;

  private constructor(host: Host, file: HostFile, label: DeviceLabel, isLabelled: boolean) {
    this.#host = host;
    this.#file = file;
    this.#label = label;
    this.#isLabelled = isLabelled;
    this.most = label.slots;
  }

  /**
   * Opens the device of a pool, for nobody else until it is closed. That of a new pool must begin with zeros. Fails with `busy`, `not-found`, `bad-type`, `denied`,
   * `corrupt`, `unsupported`, and with `invalid` where it is another pool's, or somebody's, or too small.
   */
  static async open(host: Host, path: string, poolId: string, isNew: boolean): Promise<DevicePlaces> {
    const file = host.open(path, { exclusive: true, direct: true });
    try {
      if (!file.isDevice) {
        throw new AshlarError('bad-type', `${path} is no block device: data in files lies in the data directory`, {
          path,
        });
      }
      const slots = slotsOn(file);
      const label = { poolId, slotBytes: deviceSlotBytes, slots };
      const found = await labelOf(host, file);
      if (found === undefined && isNew) await refuseUsed(host, file);
      else requireLabel(path, found, poolId);
      if (slots < Math.max(1, found?.slots ?? 0)) throw tooSmall(path, slots, found?.slots);
      return new DevicePlaces(host, file, label, found?.slots === slots);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Writes on the device itself whose it is, and how large that knows it to be. Durable when it settles. */
  async claim(): Promise<void> {
    if (this.#isLabelled) return;
    const block = this.#host.alignedBuffer(blockSize);
    block.set(encodeDeviceLabel(this.#label));
    await this.#file.write(0, block);
    await this.#file.sync();
    this.#isLabelled = true;
  }

  get device(): string {
    return this.#file.path;
  }

  fileOf(): HostFile {
    return this.#file;
  }

  offsetOf(slot: number, block: number): number {
    assert(slot < this.most, 'a slot is on the device');
    return offsetOn(slot) + block * blockSize;
  }

  takeNew(): undefined {
    return undefined;
  }

  usedBytes(liveSlots: number): number {
    return liveSlots * deviceSlotBytes;
  }

  held(): [] {
    return [];
  }

  close(): void {
    this.#file.close();
  }
}

/** Slots that there is room for on a device. */
export function slotsOn(file: HostFile): number {
  return Math.floor(Math.max(0, file.size() - labelledBytes) / deviceSlotBytes);
}

/** Where a slot begins on it. */
export function offsetOn(slot: number): number {
  return labelledBytes + slot * deviceSlotBytes;
}

async function labelOf(host: Host, file: HostFile): Promise<DeviceLabel | undefined> {
  const block = host.alignedBuffer(blockSize);
  const count = await file.read(0, block);
  return decodeDeviceLabel(block.subarray(0, count), file.path);
}

/** What other programs know a device by lies in its first MiB: partitions, file systems, logical volumes. */
async function refuseUsed(host: Host, file: HostFile): Promise<void> {
  const bytes = host.alignedBuffer(labelledBytes);
  const count = await file.read(0, bytes);
  if (bytes.subarray(0, count).every((byte) => byte === 0)) return;
  const { path } = file;
  const erase = `dd if=/dev/zero of=${path} bs=1M count=1 conv=fsync`;
  throw new AshlarError(
    'invalid',
    `${path} is in use: its first MiB is not empty. If nothing on it is needed: ${erase}`,
    {
      path,
    },
  );
}

/** Throws `invalid` where a device is not the one that the pool's data lies on. */
export function requireLabel(path: string, found: DeviceLabel | undefined, poolId: string): void {
  if (found?.poolId === poolId && found.slotBytes === deviceSlotBytes) return;
  const what =
    found === undefined ? 'is not labelled as the device of a pool' : `is the device of the pool ${found.poolId}`;
  throw new AshlarError('invalid', `${path} ${what}, and not of this one: pool.device names another`, { path });
}

function tooSmall(path: string, slots: number, before: number | undefined): AshlarError {
  const room = (count: number): string => formatSize(count * deviceSlotBytes);
  const wanted = before === undefined ? 'a pool needs more' : `the pool had ${room(before)} there`;
  return new AshlarError('invalid', `${path} is too small: it has room for ${room(slots)} of data, and ${wanted}`, {
    path,
  });
}
