import { throttleDevice } from '@ashlar/block';
import { alignUp, AshlarError, type BlockDevice } from '@ashlar/core';
import { fileOf, openDisk, type NamedDisk, type OpenDisk } from '@ashlar/disk';
import type { Host } from '@ashlar/host';
import { mapChain, mapDevice, openChain, placeIn, sourceOf, type Chain, type CopySource } from '@ashlar/image';

const adminPort = 9810;

/** `ashlar://host[:port]/volume[@snapshot]`; without a host the server of this machine that other commands find. */
const openVolume: OpenDisk = async (uri) => {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  const [volume = '', snapshot] = decodeURIComponent(url?.pathname.slice(1) ?? '').split('@');
  if (url === undefined || volume === '') {
    throw new AshlarError('invalid', `'${uri}' names no volume: write ashlar://HOST/VOLUME or ashlar:///VOLUME`);
  }
  const admin = url.host === '' ? undefined : `http://${url.hostname}:${url.port === '' ? adminPort : url.port}`;
  const [{ AdminClient }, { attach }] = await Promise.all([import('../client.ts'), import('../stream/attach.ts')]);
  return await attach(AdminClient.find({ admin }), volume, snapshot);
};

const others = { 'ashlar:': openVolume };

export type DiskChoice = {
  readonly snapshot?: string | undefined;
  /** Default false. Others may write to it meanwhile. */
  readonly forceShare?: boolean | undefined;
  /** Bytes a second. */
  readonly rate?: number | undefined;
};

/** A disk that is read, whatever its name means. */
export type OpenSource = CopySource & {
  readonly name: string;
  /** Of files: the images of its chain. */
  readonly chain: Chain | undefined;
  close(): Promise<void>;
};

/** Opens a disk for reading, with a map of it. Fails as `openDisk`. */
export async function openSource(
  host: Host,
  { format, name }: NamedDisk,
  { forceShare, rate, snapshot }: DiskChoice = {},
): Promise<OpenSource> {
  const disk = await openDisk(name, { host, forceShare, format, others, snapshot });
  const device = rate === undefined ? disk : paced(host, disk, rate);
  try {
    const file = fileOf(name, format);
    const chain =
      file === undefined ? undefined : await openChain(host, file.path, { format: file.format, forceShare, snapshot });
    const sizeBytes = chain?.layers[0]?.sizeBytes ?? alignUp(device.sizeBytes, 512);
    const source = sourceOf(device, sizeBytes, (from, to) =>
      chain === undefined ? mapDevice(device, name, from, Math.min(to, device.sizeBytes)) : mapChain(chain, from, to),
    );
    const close = async (): Promise<void> => {
      chain?.close();
      await device.close();
    };
    // What is paced is read.
    const isPlaced = chain !== undefined && rate === undefined;
    return { ...source, ...(isPlaced ? { placeOf: (run) => placeIn(chain, run) } : {}), name, chain, close };
  } catch (error) {
    await device.close();
    throw error;
  }
}

/** Opens them one behind the other, and none where one of them cannot be. */
export async function openSources(
  disks: readonly NamedDisk[],
  open: (disk: NamedDisk) => Promise<OpenSource>,
): Promise<OpenSource[]> {
  const opened: OpenSource[] = [];
  try {
    for (const disk of disks) opened.push(await open(disk));
    return opened;
  } catch (error) {
    for (const source of opened) await source.close();
    throw error;
  }
}

/** Reads no faster than that. */
export function paced(host: Host, device: BlockDevice, bytesPerSecond: number): BlockDevice {
  return throttleDevice(device, { clock: host.clock, scheduler: host.scheduler, limits: { read: { bytesPerSecond } } });
}

/** A disk that is there as one device. Fails as `openDisk`. */
export const openExisting = (host: Host, { format, name }: NamedDisk, readOnly: boolean): Promise<BlockDevice> =>
  openDisk(name, { host, format, others, readOnly });

/** Uses what is opened, and closes all of it whatever comes. */
export async function withSources<T>(
  opened: Promise<readonly OpenSource[]>,
  use: (sources: readonly OpenSource[]) => Promise<T>,
): Promise<T> {
  const sources = await opened;
  try {
    return await use(sources);
  } finally {
    for (const source of sources) await source.close();
  }
}
