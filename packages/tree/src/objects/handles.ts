import { AshlarError, type FileHandle } from '@ashlar/core';
import { inodeBytes } from './keys.ts';

const generationBytes = 4;

/** The handle of a file on an object store: its inode's number u48 and generation u32, big endian. */
export function handleOf(inode: number, generation: number): FileHandle {
  const bytes = Buffer.allocUnsafe(inodeBytes + generationBytes);
  bytes.writeUIntBE(inode, 0, inodeBytes);
  bytes.writeUInt32BE(generation, inodeBytes);
  return bytes;
}

/** Throws `bad-handle`. */
export function handleIn(handle: FileHandle): { readonly inode: number; readonly generation: number } {
  if (handle.length !== inodeBytes + generationBytes) {
    throw new AshlarError('bad-handle', 'a handle is none of this file tree');
  }
  const bytes = Buffer.from(handle.buffer, handle.byteOffset, handle.length);
  return { inode: bytes.readUIntBE(0, inodeBytes), generation: bytes.readUInt32BE(inodeBytes) };
}
