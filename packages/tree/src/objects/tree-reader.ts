import {
  andThen,
  AshlarError,
  fileAccess,
  type Credentials,
  type FileAttributes,
  type FileHandle,
  type Settled,
} from '@ashlar/core';
import { grantedAccess } from '../permissions.ts';
import { attributesOf } from './attributes.ts';
import { listDirectory, type Listing } from './list.ts';
import { lookUp, type Found } from './look-up.ts';
import { readFile, type ReadBytes } from './read-file.ts';
import { inodeOf, type ReadState } from './tree-state.ts';

const changes = fileAccess.modify | fileAccess.extend | fileAccess.delete;

/** What a tree and a snapshot of it have alike: all that looks at files. */
export abstract class TreeReader {
  abstract readonly readOnly: boolean;
  readonly #state: ReadState;

  constructor(state: ReadState) {
    this.#state = state;
  }

  getAttributes(file: FileHandle): Settled<FileAttributes> {
    return andThen(inodeOf(this.#state, file), attributesOf);
  }

  access(
    file: FileHandle,
    wanted: number,
    who: Credentials,
  ): Settled<{ readonly granted: number; readonly attributes: FileAttributes }> {
    return andThen(inodeOf(this.#state, file), (inode) => ({
      granted: grantedAccess(inode, this.readOnly ? wanted & ~changes : wanted, who),
      attributes: attributesOf(inode),
    }));
  }

  lookup(directory: FileHandle, name: Uint8Array, who: Credentials): Settled<Found> {
    return lookUp(this.#state, directory, name, who);
  }

  list(
    directory: FileHandle,
    cookie: bigint,
    most: number,
    withAttributes: boolean,
    who: Credentials,
  ): Settled<Listing> {
    return listDirectory(this.#state, directory, cookie, most, withAttributes, who);
  }

  read(file: FileHandle, offset: number, into: Uint8Array, who: Credentials): Settled<ReadBytes> {
    return readFile(this.#state, file, offset, into, who);
  }

  readLink(file: FileHandle): Settled<{ readonly text: Uint8Array; readonly attributes: FileAttributes }> {
    return andThen(inodeOf(this.#state, file), (inode) => {
      if (inode.type !== 'link') throw new AshlarError('invalid', 'only symbolic links have a text');
      return { text: inode.text, attributes: attributesOf(inode) };
    });
  }
}
