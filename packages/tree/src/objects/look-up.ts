import { andThen, type Credentials, type FileAttributes, type FileHandle, type Settled } from '@ashlar/core';
import { checkSearch } from '../permissions.ts';
import { attributesOf } from './attributes.ts';
import { notFound, slotOf } from './directory.ts';
import { handleOf } from './handles.ts';
import type { Inode } from './inode.ts';
import { isDot, isDotDot } from '../names.ts';
import { directoryOf, type ReadState } from './tree-state.ts';

export type Found = {
  readonly file: FileHandle;
  readonly attributes: FileAttributes;
  readonly directory: FileAttributes;
};

/** The file of a name, `.` and `..` among them. */
export function lookUp(state: ReadState, directory: FileHandle, name: Uint8Array, who: Credentials): Settled<Found> {
  return andThen(directoryOf(state, directory), (parent) => {
    checkSearch(parent, who);
    const found = (inode: Inode | undefined): Found => {
      if (inode === undefined) throw notFound();
      const file = handleOf(inode.number, inode.generation);
      return { file, attributes: attributesOf(inode), directory: attributesOf(parent) };
    };
    if (isDot(name)) return found(parent);
    if (isDotDot(name)) return andThen(state.inodes.find(parent.parent), found);
    return andThen(slotOf(state, parent, name), ({ entry }) => {
      if (entry === undefined) throw notFound();
      return andThen(state.inodes.find(entry.inode), found);
    });
  });
}
