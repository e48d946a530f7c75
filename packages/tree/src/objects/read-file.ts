import {
  andThen,
  AshlarError,
  type Credentials,
  type FileAttributes,
  type FileHandle,
  type Settled,
} from '@ashlar/core';
import { checkRead } from '../permissions.ts';
import { attributesOf } from './attributes.ts';
import { inodeOf, type ReadState } from './tree-state.ts';

export type ReadBytes = { readonly count: number; readonly isEnd: boolean; readonly attributes: FileAttributes };

/** Reads up to the end of a file, and says how far. */
export function readFile(
  { bytes, gates, inodes }: Pick<ReadState, 'inodes' | 'bytes' | 'gates'>,
  file: FileHandle,
  offset: number,
  into: Uint8Array,
  who: Credentials,
): Settled<ReadBytes> {
  return andThen(inodeOf({ inodes }, file), (inode) => {
    if (inode.type === 'directory') throw new AshlarError('is-directory', 'a directory is listed, and not read');
    if (inode.type !== 'regular') throw new AshlarError('invalid', 'only regular files are read');
    checkRead(inode, who);
    const count = Math.max(0, Math.min(into.length, inode.sizeBytes - offset));
    const result = { count, isEnd: offset + count >= inode.sizeBytes, attributes: attributesOf(inode) };
    if (count === 0) return result;
    const part = into.subarray(0, count);
    return gates.enter(inode.number, () => andThen(bytes.read(inode.regions, offset, part), () => result));
  });
}
