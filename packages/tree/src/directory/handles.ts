import { AshlarError, mostFileHandleBytes, type FileHandle, type Settled } from '@ashlar/core';
import type { FileStat } from '@ashlar/host';

/** Where a file was found. */
export type FilePlace = { readonly directory: bigint; readonly name: Uint8Array };

/** Which files handles are of. A handle has its kind, and the number of its inode from byte 4 on: u64. */
export interface Handles {
  isOne(handle: FileHandle): boolean;
  /** Of a file that is open; `place`: unless it is the root. */
  of(descriptor: number, stat: FileStat, place: FilePlace | undefined): Settled<FileHandle>;
  /** A descriptor that names its file. Throws `stale`. */
  open(handle: FileHandle): Settled<number>;
  /** It is about to get that name: its handle must be good whenever it has it. */
  expect(stat: FileStat, place: FilePlace): Settled<void>;
  /** It has that name now. */
  moved(stat: FileStat, place: FilePlace): Settled<void>;
  /** The last name of its file is gone, and that is durable. */
  forget(handle: FileHandle): Settled<void>;
  /** Settles when nothing is done behind the back of calls any more. */
  close(): Settled<void>;
}

export const headBytes = 12;
export const mostInnerBytes = mostFileHandleBytes - headBytes;

/** `kind` tells one sort of handles from another; `detail` and `inner` are that sort's own. */
export function encodeHandle(kind: number, detail: number, inode: bigint, inner: Uint8Array): FileHandle {
  const handle = Buffer.alloc(headBytes + inner.length);
  handle[0] = kind;
  handle[1] = detail;
  handle.writeBigUInt64BE(inode, 4);
  handle.set(inner, headBytes);
  return handle;
}

export const inodeIn = (handle: FileHandle): bigint =>
  Buffer.from(handle.buffer, handle.byteOffset, handle.byteLength).readBigUInt64BE(4);

export const gone = (): AshlarError => new AshlarError('stale', 'the file is gone');
