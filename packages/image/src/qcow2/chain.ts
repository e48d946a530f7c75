import { alignUp, AshlarError } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { openLocked } from '../lock.ts';
import type { Qcow2Header } from './header.ts';
import { formatNamed, openLayer, pathFrom, probeFormat, type OpenImageOptions, type Qcow2Layer } from './open.ts';
import { hasPreallocatedMetadata } from './preallocated.ts';
import { readHeader } from './stored.ts';

const sectorBytes = 512;
const mostDepth = 256;

/** One image of a chain, by itself. */
export type ChainLayer = {
  readonly path: string;
  readonly file: HostFile;
  /** Bytes of the disk in it, in whole sectors. */
  readonly sizeBytes: number;
  /** Of a raw image nothing. */
  readonly qcow2:
    | {
        readonly layer: Qcow2Layer;
        readonly header: Qcow2Header;
        /** Its clusters have places that hold nothing yet: holes of the file are zeros of the disk. */
        readonly isPreallocated: boolean;
      }
    | undefined;
};

/** An image and what it is backed by, in their order. */
export type Chain = { readonly layers: readonly ChainLayer[]; close(): void };

/** Opens the images of a chain for reading. Fails as `openImage`; files that images name are opened. */
export async function openChain(
  host: Host,
  path: string,
  options: Pick<OpenImageOptions, 'format' | 'forceShare' | 'snapshot'>,
): Promise<Chain> {
  const layers: ChainLayer[] = [];
  const close = (): void => {
    for (const { file, qcow2 } of layers) {
      file.close();
      if (qcow2 !== undefined && qcow2.layer.data !== file) qcow2.layer.data.close();
    }
  };
  try {
    let next: string | undefined = path;
    const { forceShare } = options;
    let { format, snapshot } = options;
    while (next !== undefined) {
      if (layers.some((each) => each.path === next) || layers.length >= mostDepth) {
        throw new AshlarError('invalid', `the images of a chain lead back to '${next}'`, { path: next });
      }
      const layer: ChainLayer = await openOne(
        host,
        next,
        { format, forceShare, snapshot, followsFiles: true },
        layers.length > 0,
      );
      layers.push(layer);
      const header: Qcow2Header | undefined = layer.qcow2?.header;
      format = header?.backingFile === undefined ? undefined : formatNamed(header.backingFormat, next);
      snapshot = undefined;
      next = header?.backingFile === undefined ? undefined : pathFrom(next, header.backingFile);
    }
    return { layers, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function openOne(host: Host, path: string, options: OpenImageOptions, isBacking: boolean): Promise<ChainLayer> {
  // As QEMU: what is behind an image may be written where it has no structures.
  const isShared = options.forceShare === true || (options.format === 'raw' && isBacking);
  const file = openLocked(host, path, isShared ? 'share' : 'read');
  try {
    const format = options.format ?? (await probeFormat(file));
    if (format === 'raw') return { path, file, sizeBytes: alignUp(file.size(), sectorBytes), qcow2: undefined };
    const header = await readHeader(file, path);
    const layer = await openLayer(host, file, header, options);
    const allocatedBytes = host.stat(path)?.allocatedBytes ?? 0;
    const isPreallocated = await hasPreallocatedMetadata(file, header, allocatedBytes);
    return { path, file, sizeBytes: layer.sizeBytes, qcow2: { layer, header, isPreallocated } };
  } catch (error) {
    file.close();
    throw error;
  }
}
