import { isPromise, type BlockDevice } from '@ashlar/core';
import { FrameEncoder, mostDataBytes, type StreamHeader } from '@ashlar/image';
import type { Run } from '../changes.ts';

/** Reads that are under way at once, each of one frame's data. */
const readsAtOnce = 8;
/** Extents asked for at once. */
const extentsAtOnce = 1024;

type Piece = Run & { readonly isData: boolean };

/** What of the runs is data, in pieces of a frame, and what reads as zeros; the latter only where the receiver may have something else there. */
async function* piecesOf(device: BlockDevice, runs: Iterable<Run>, tellsZeros: boolean): AsyncGenerator<Piece> {
  for (const run of runs) {
    const end = Math.min(run.offset + run.length, device.sizeBytes);
    for (let at = run.offset; at < end;) {
      for (const { offset, length, state } of await device.extents(at, end - at, extentsAtOnce)) {
        at = offset + length;
        if (state !== 'data') {
          if (tellsZeros) yield { offset, length, isData: false };
          continue;
        }
        for (let start = offset; start < at; start += mostDataBytes) {
          yield { offset: start, length: Math.min(mostDataBytes, at - start), isData: true };
        }
      }
    }
  }
}

/** The bytes of a stream of a device's runs. `progress` is told how far it has come. */
export async function* streamOf(
  device: BlockDevice,
  header: StreamHeader,
  runs: Iterable<Run>,
  progress: (offset: number) => void,
): AsyncGenerator<Uint8Array> {
  const encoder = new FrameEncoder();
  yield* encoder.header(header);
  const reading: { readonly piece: Piece; readonly bytes: Promise<Uint8Array> }[] = [];
  const next = async (): Promise<Uint8Array[]> => {
    const { piece, bytes } = reading.shift()!;
    progress(piece.offset + piece.length);
    return piece.isData ? encoder.data(piece.offset, await bytes) : encoder.zero(piece.offset, piece.length);
  };
  for await (const piece of piecesOf(device, runs, header.since !== undefined)) {
    if (reading.length === readsAtOnce) yield* await next();
    const bytes = piece.isData ? read(device, piece) : Promise.resolve(new Uint8Array(0));
    // Whoever comes to it first is told of a failure.
    bytes.catch(() => undefined);
    reading.push({ piece, bytes });
  }
  while (reading.length > 0) yield* await next();
  yield* encoder.end();
}

async function read(device: BlockDevice, { offset, length }: Run): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const done = device.read(offset, bytes);
  if (isPromise(done)) await done;
  return bytes;
}
