import { load, type KoffiFunc } from 'koffi';
import { addressOf } from './memory.ts';
import { libc } from './libc.ts';
import { onPool } from './pool-calls.ts';

/** Node has zstd in it; one that was built on the system's does not show it. */
function find(declaration: string): KoffiFunc<(...parameters: number[]) => number> {
  try {
    return libc.func(declaration);
  } catch {
    return load('libzstd.so.1').func(declaration);
  }
}

const place = 'uintptr_t context, uintptr_t into, size_t room, uintptr_t from, size_t length';
// What these return is a length, or an error as a number below zero.
const compress = find(`int64_t ZSTD_compressCCtx(${place}, int level)`);
const decompress = find(`int64_t ZSTD_decompressDCtx(${place})`);

const create = find('uintptr_t ZSTD_createCCtx()');
const frameBytes = find('int64_t ZSTD_findFrameCompressedSize(uintptr_t from, size_t length)');

/**
 * One of each for a thread, made when it is first needed and used again: those of `node:zlib` are made for each call, and are most of what a
 * collector has to do then.
 */
let compressing = 0;
let decompressing = 0;

/** Compresses `from` to one frame at the start of `into`. Gives its length, -1 where it does not fit. */
export function zstdCompress(from: Uint8Array, into: Uint8Array, level: number): number {
  compressing ||= create();
  const length = compress(compressing, addressOf(into), into.byteLength, addressOf(from), from.byteLength, level);
  return length < 0 ? -1 : length;
}

/** Contexts that no call on the pool uses: as many were made as ran at once. */
const idle: number[] = [];

/** As `zstdCompress`, on the thread pool. Both buffers are the call's until it settles. */
export async function zstdCompressOffThread(from: Uint8Array, into: Uint8Array, level: number): Promise<number> {
  const context = idle.pop() ?? create();
  const [where, room] = [addressOf(into), into.byteLength];
  const [start, bytes] = [addressOf(from), from.byteLength];
  const length = await onPool([from, into], (done) => compress.async(context, where, room, start, bytes, level, done));
  idle.push(context);
  // No frame is empty; a failure has no errno, and is none or less here.
  return length > 0 ? length : -1;
}

/** Decompresses the frame that `from` is to the start of `into`. Gives how long that is, -1 where it does not fit or is no whole frame. */
export function zstdDecompress(from: Uint8Array, into: Uint8Array): number {
  decompressing ||= find('uintptr_t ZSTD_createDCtx()')();
  const length = decompress(decompressing, addressOf(into), into.byteLength, addressOf(from), from.byteLength);
  return length < 0 ? -1 : length;
}

/** How long the frame is that bytes begin with; -1 where they begin with none, or do not have all of it. */
export function zstdFrameBytes(from: Uint8Array): number {
  const length = frameBytes(addressOf(from), from.byteLength);
  return length < 0 ? -1 : length;
}
