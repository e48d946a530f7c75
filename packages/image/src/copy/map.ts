import type { BlockDevice } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import type { Run } from '../qcow2/cluster-map.ts';
import type { Chain, ChainLayer } from '../qcow2/chain.ts';

/** What some bytes of a disk are, as `qemu-img map` tells it. */
export type MapRun = {
  readonly start: number;
  readonly length: number;
  /** Which image of the chain says it: 0 the image itself. */
  readonly depth: number;
  /** That image has something there, if only that it is zeros. */
  readonly present: boolean;
  readonly zero: boolean;
  readonly data: boolean;
  /** Where in the file it lies; of what is compressed, and of what has no place, nothing. */
  readonly offset: number | undefined;
  readonly path: string | undefined;
  /** It reads as zeros since the image that backs another one ends before. */
  readonly isBehindBacking: boolean;
};

/** Where something lies in a file. */
export type FilePlace = { readonly file: HostFile; readonly offset: number };

const extentsAtOnce = 1024;

/** The runs of [from, to) of an image, joined where one goes on as the other ends. */
export async function* mapChain({ layers }: Chain, from: number, to: number): AsyncGenerator<MapRun> {
  yield* joined(runsOf(layers, from, to));
}

async function* runsOf(layers: readonly ChainLayer[], from: number, to: number): AsyncGenerator<MapRun> {
  for (let at = from; at < to;) {
    const run = await runAt(layers, at, to - at);
    yield run;
    at += run.length;
  }
}

async function runAt(layers: readonly ChainLayer[], start: number, most: number): Promise<MapRun> {
  let length = most;
  for (let depth = 0; ; depth += 1) {
    const layer = layers[depth]!;
    const run = await runIn(layer, start, Math.min(length, layer.sizeBytes - start));
    length = run.length;
    const below = layers[depth + 1];
    const isEnd = below === undefined || start >= below.sizeBytes;
    if (run.kind === 'none' && !isEnd) {
      length = Math.min(length, below.sizeBytes - start);
      continue;
    }
    const hasPlace = run.offset >= 0 && run.kind !== 'compressed';
    const data = run.kind === 'data' || run.kind === 'compressed';
    return {
      start,
      length,
      depth,
      present: run.kind !== 'none',
      zero: !data || run.isHole,
      // Of a raw file a hole is no data.
      data: data && !(run.isHole && layer.qcow2 === undefined),
      offset: hasPlace ? run.offset : undefined,
      path: hasPlace ? (layer.qcow2?.layer.data ?? layer.file).path : undefined,
      isBehindBacking: run.kind === 'none' && below !== undefined,
    };
  }
}

/** Where a run of a chain lies, if it lies anywhere as it is. */
export function placeIn({ layers }: Chain, { depth, offset }: MapRun): FilePlace | undefined {
  const layer = layers[depth];
  return layer === undefined || offset === undefined
    ? undefined
    : { file: layer.qcow2?.layer.data ?? layer.file, offset };
}

type LayerRun = Pick<Run, 'kind' | 'length' | 'offset'> & { readonly isHole: boolean };

async function runIn({ file, qcow2 }: ChainLayer, offset: number, most: number): Promise<LayerRun> {
  if (qcow2 === undefined) {
    const { length, isHole } = fileRun(file, offset, most);
    return { kind: 'data', length, offset, isHole };
  }
  const run = await qcow2.layer.map.runAt(offset, most);
  if (run.kind !== 'data' || !qcow2.isPreallocated) return { ...run, isHole: false };
  const { length, isHole } = fileRun(qcow2.layer.data, run.offset, run.length);
  return { ...run, length, isHole };
}

/** What begins in a file there; behind its end there are holes. */
function fileRun(file: HostFile, offset: number, most: number): { length: number; isHole: boolean } {
  const { length, state } = file.extents(offset, most, 1)[0]!;
  return { length, isHole: state !== 'data' };
}

/** The same of what is no image: it has everything itself, where its reader finds it. */
export async function* mapDevice(device: BlockDevice, path: string, from: number, to: number): AsyncGenerator<MapRun> {
  for (let at = from; at < to;) {
    for (const { offset, length, state } of await device.extents(at, to - at, extentsAtOnce)) {
      at = offset + length;
      yield {
        start: offset,
        length,
        depth: 0,
        present: true,
        zero: state !== 'data',
        data: state !== 'hole',
        offset,
        path,
        isBehindBacking: false,
      };
    }
  }
}

async function* joined(runs: AsyncIterable<MapRun>): AsyncGenerator<MapRun> {
  let last: MapRun | undefined;
  for await (const run of runs) {
    if (last !== undefined && goesOn(last, run)) {
      last = { ...last, length: last.length + run.length };
      continue;
    }
    if (last !== undefined) yield last;
    last = run;
  }
  if (last !== undefined) yield last;
}

function goesOn(one: MapRun, next: MapRun): boolean {
  const isSame =
    one.depth === next.depth &&
    one.present === next.present &&
    one.zero === next.zero &&
    one.data === next.data &&
    one.path === next.path &&
    one.isBehindBacking === next.isBehindBacking;
  return isSame && (one.offset === undefined ? next.offset === undefined : next.offset === one.offset + one.length);
}
