import { emulate, readOnlyDevice, type BlockReads } from '@ashlar/block';
import { AshlarError, type BlockDevice, type Settled } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { Shared } from '../sharing.ts';
import { refuseToWrite } from './change-group.ts';
import {
  namesUsedBy,
  type LogicalVolume,
  type RaidSegment,
  type Segment,
  type SnapshotSegment,
  type StripedSegment,
  type ThinSegment,
} from './group.ts';
import { ChunkReads, type ChunkMap, type ChunkPlace } from './chunk-reads.ts';
import { MappedDevice } from './mapped-device.ts';
import type { Part } from './parts.ts';
import { openPhysical } from './physical-devices.ts';
import { imageInSync } from './raid-superblock.ts';
import { snapshotMap } from './snapshot-store.ts';
import { ThinMetadata } from './thin-metadata.ts';
import { groupNamed, scan, type FoundGroup } from './scan.ts';

/** A logical volume of a group on devices or files that are named. */
export type LogicalName = { readonly paths: readonly string[]; readonly group: string; readonly volume: string };

/**
 * Opens a logical volume as a device. Linear and striped ones can be written; mirrors and RAID 1 are read from a copy that is in sync. Writing has the
 * group's devices for this thread alone. Fails with `not-found`, `unsupported` in a sentence, `busy`, `corrupt`.
 */
export async function openLogical(host: Host, name: LogicalName, readOnly: boolean): Promise<BlockDevice> {
  const found = groupNamed(await scan(host, name.paths), name.group);
  const volume = volumeNamed(found, name.volume);
  if (!readOnly) refuseVolume(found, volume);
  const opening = new Opening(host, found, readOnly);
  try {
    const device = await opening.open(volume);
    // Who came before us may have changed the group until its devices were ours.
    const { group } = groupNamed(await scan(host, name.paths), name.group);
    if (group.seqno !== found.group.seqno) {
      throw new AshlarError('busy', `the volume group '${name.group}' is being changed: try again`);
    }
    return device;
  } catch (error) {
    await opening.release();
    throw error;
  }
}

function volumeNamed({ group }: FoundGroup, name: string): LogicalVolume {
  const volume = group.logicalVolumes.find((each) => each.name === name);
  if (volume !== undefined) return volume;
  throw new AshlarError('not-found', `Failed to find logical volume "${group.name}/${name}"`);
}

/** Throws where writing would harm what others keep of the volume. */
function refuseVolume(found: FoundGroup, { isVisible, name, segments, status }: LogicalVolume): void {
  refuseToWrite(found);
  const refuse = (kind: 'unsupported' | 'read-only', why: string): never => {
    throw new AshlarError(kind, `the logical volume '${found.group.name}/${name}' is not written: ${why}`);
  };
  const other = segments.find(({ kind }) => kind !== 'striped');
  if (other !== undefined) refuse('unsupported', `it is of the type ${other.type}, which is only read here`);
  const user = found.group.logicalVolumes.find((each) =>
    each.segments.some((segment) => namesUsedBy(segment).includes(name)),
  );
  if (user !== undefined) refuse('unsupported', `'${user.name}' is made of it, or is a snapshot of it`);
  if (!isVisible) refuse('unsupported', 'LVM keeps it to itself');
  if (!status.includes('WRITE')) refuse('read-only', 'it is read-only');
}

/** What was never written is that of a volume outside the pool, where there is one and as far as it goes. */
function placeOutside(outside: BlockReads | undefined, chunk: number, chunkBytes: number): ChunkPlace {
  const at = chunk * chunkBytes;
  return outside === undefined || at >= outside.sizeBytes ? undefined : { device: outside, at };
}

/** The physical volumes of one logical volume that is open. */
class Opening {
  readonly #host: Host;
  readonly #found: FoundGroup;
  readonly #readOnly: boolean;
  readonly #shared = new Map<string, Shared<BlockDevice>>();

  constructor(host: Host, found: FoundGroup, readOnly: boolean) {
    this.#host = host;
    this.#found = found;
    this.#readOnly = readOnly;
  }

  async open(volume: LogicalVolume): Promise<BlockDevice> {
    const reads = await this.#reads(volume, () => this.release());
    return this.#readOnly ? readOnlyDevice(reads) : emulate(reads as MappedDevice);
  }

  async release(): Promise<void> {
    for (const shared of this.#shared.values()) await shared.release();
    this.#shared.clear();
  }

  /** A part of a volume that is closed with it. */
  #part(name: string): Promise<BlockReads> {
    return this.#reads(volumeNamed(this.#found, name), () => undefined);
  }

  async #reads(volume: LogicalVolume, ended: () => Settled<void>): Promise<BlockReads> {
    const [first] = volume.segments;
    if (first?.kind === 'thin') return new ChunkReads(await this.#thinMap(volume, first), ended);
    const snapshot = this.#snapshotOf(volume.name);
    if (snapshot !== undefined) {
      const store = await this.#plain(volume, () => undefined);
      const origin = await this.#plain(volumeNamed(this.#found, snapshot.origin), () => undefined);
      return new ChunkReads(await snapshotMap(store, origin, volume.name), ended);
    }
    return await this.#plain(volume, ended);
  }

  /** The snapshot whose store a volume is. Throws `unsupported` for what is being merged: neither it nor its origin has it all. */
  #snapshotOf(name: string): SnapshotSegment | undefined {
    for (const { segments } of this.#found.group.logicalVolumes) {
      for (const segment of segments) {
        if (segment.kind !== 'snapshot') continue;
        if (segment.isMerging && (segment.store === name || segment.origin === name)) {
          throw new AshlarError(
            'unsupported',
            `a snapshot of '${this.#found.group.name}/${segment.origin}' is being merged into it`,
          );
        }
        if (segment.store === name) return segment;
      }
    }
    return undefined;
  }

  async #thinMap({ extentCount, name }: LogicalVolume, segment: ThinSegment): Promise<ChunkMap> {
    const { group } = this.#found;
    const [pool] = volumeNamed(this.#found, segment.pool).segments;
    const fault = (how: string): AshlarError =>
      new AshlarError('corrupt', `the thin volume '${group.name}/${name}' ${how}`);
    if (pool?.kind !== 'thin-pool') throw fault(`is of '${segment.pool}', which is no pool`);
    const metadata = await ThinMetadata.open(await this.#part(pool.metadata), segment.pool);
    const data = await this.#part(pool.data);
    const outside = segment.externalOrigin === undefined ? undefined : await this.#part(segment.externalOrigin);
    const root = await metadata.device(segment.deviceId);
    if (root === undefined) throw fault('is not in the metadata of its pool: it was never used');
    const { chunkBytes } = metadata;
    if (outside !== undefined && outside.sizeBytes % chunkBytes !== 0) {
      throw new AshlarError(
        'unsupported',
        `'${segment.externalOrigin}' ends within a chunk of the thin volume '${name}'`,
      );
    }
    return {
      sizeBytes: extentCount * group.extentBytes,
      chunkBytes,
      locate: async (chunk) => {
        const place = await metadata.chunk(root, chunk);
        if (place === undefined) return placeOutside(outside, chunk, chunkBytes);
        if ((place + 1) * chunkBytes > data.sizeBytes) throw fault('has a chunk outside of its pool');
        return { device: data, at: place * chunkBytes };
      },
    };
  }

  async #plain(volume: LogicalVolume, ended: () => Settled<void>): Promise<BlockReads> {
    const parts: Part[] = [];
    for (const segment of volume.segments) parts.push(await this.#partOf(volume, segment));
    return new MappedDevice(parts, ended);
  }

  async #partOf(volume: LogicalVolume, segment: Segment): Promise<Part> {
    const { extentBytes } = this.#found.group;
    const offset = segment.startExtent * extentBytes;
    const length = segment.extentCount * extentBytes;
    if (segment.kind === 'striped') return { offset, length, ...(await this.#lanesOf(segment)) };
    if (segment.kind === 'mirror') {
      const [first] = segment.areas;
      return {
        offset,
        length,
        ...(await this.#lanesOf({ ...segment, kind: 'striped', stripeBytes: 0, areas: [first!] })),
      };
    }
    if (segment.kind === 'raid' && segment.type === 'raid1') {
      const device = await this.#imageOf(volume, segment);
      return { offset, length, chunkBytes: length, lanes: [{ device, offset }] };
    }
    const what = `the logical volume '${this.#found.group.name}/${volume.name}' is of the type ${segment.type}`;
    throw new AshlarError('unsupported', `${what}, which cannot be read here`);
  }

  async #lanesOf({ areas, extentCount, stripeBytes }: StripedSegment): Promise<Pick<Part, 'chunkBytes' | 'lanes'>> {
    const { extentBytes, physicalVolumes } = this.#found.group;
    const lanes: Part['lanes'][number][] = [];
    for (const { extent, name, on } of areas) {
      if (on === 'lv') lanes.push({ device: readOnlyDevice(await this.#part(name)), offset: extent * extentBytes });
      else {
        const volume = physicalVolumes.find(({ key }) => key === name)!;
        lanes.push({ device: await this.#physical(name), offset: volume.startBytes + extent * extentBytes });
      }
    }
    if (lanes.length > 1 && stripeBytes > extentBytes) {
      throw new AshlarError(
        'corrupt',
        `a stripe of ${stripeBytes} bytes is larger than an extent of '${this.#found.group.name}'`,
      );
    }
    return { lanes, chunkBytes: lanes.length === 1 ? extentCount * extentBytes : stripeBytes };
  }

  async #physical(key: string): Promise<BlockDevice> {
    const path = this.#found.found.get(key)?.path;
    if (path === undefined) {
      const missing = this.#found.missing.find((each) => each.key === key);
      throw new AshlarError('not-found', `the physical volume ${missing?.id} is missing: name its device as well`);
    }
    const shared = this.#shared.get(key) ?? (await openPhysical(this.#host, path, this.#readOnly));
    this.#shared.set(key, shared);
    return shared.value;
  }

  /** A copy of a RAID 1 that is in sync and there. */
  async #imageOf(volume: LogicalVolume, segment: RaidSegment): Promise<BlockDevice> {
    const images: { readonly metadata: BlockReads | undefined; readonly data: BlockReads }[] = [];
    for (const { data, metadata } of segment.images) {
      try {
        images.push({
          metadata: metadata === undefined ? undefined : await this.#part(metadata),
          data: await this.#part(data),
        });
      } catch (error) {
        // A copy whose device is not there is no copy to read.
        if (!(error instanceof AshlarError) || error.kind !== 'not-found') throw error;
      }
    }
    const found = await imageInSync(images);
    if (found !== undefined) return readOnlyDevice(found.data);
    throw new AshlarError('corrupt', `no copy of '${this.#found.group.name}/${volume.name}' that is there is in sync`);
  }
}
