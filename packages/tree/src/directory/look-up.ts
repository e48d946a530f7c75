import {
  andThen,
  AshlarError,
  fileAccess,
  type Credentials,
  type FileAttributes,
  type FileHandle,
  type Settled,
} from '@ashlar/core';
import { accessMode, accessOpen, linkText, openToName } from '@ashlar/host';
import { checkName, isDot, isDotDot } from '../names.ts';
import { attributesOf } from './attributes.ts';
import { done, fileError } from './errors.ts';
import type { OpenFile } from './open-file.ts';
import type { TreeState } from './tree-state.ts';

type Found = {
  readonly file: FileHandle;
  readonly attributes: FileAttributes;
  readonly directory: FileAttributes;
};

/** The file of a name. Nothing is followed: neither a symbolic link, nor to another file system, nor out of the root. */
export function lookUp(state: TreeState, directory: FileHandle, name: Uint8Array, who: Credentials): Settled<Found> {
  return andThen(state.files.directory(directory), (parent) => {
    checkName(name);
    const after = attributesOf(parent.stat());
    const descriptor = openIn(state, parent, name, who);
    const found = descriptor === undefined ? parent : state.files.adopt(descriptor, { directory: parent.inode, name });
    return andThen(found, (file) => ({ file: file.handle, attributes: file.attributes(), directory: after }));
  });
}

/** Names what a name in a directory is of, as the caller finds it; nothing where that is the directory itself. */
function openIn(
  { callers, files }: TreeState,
  parent: OpenFile,
  name: Uint8Array,
  who: Credentials,
): number | undefined {
  if (isDot(name) || (isDotDot(name) && parent === files.root)) {
    const result = callers.as(who, () => accessOpen(parent.place, accessMode.execute));
    if (result < 0) throw fileError(-result);
    return undefined;
  }
  return done(callers.as(who, () => openToName(parent.place, name)));
}

export function readLinkOf({ files }: TreeState, handle: FileHandle) {
  return andThen(files.find(handle), (file) => {
    if (file.type !== 'link') throw new AshlarError('invalid', 'the file is no symbolic link');
    return { text: done(linkText(file.place)), attributes: file.attributes() };
  });
}

const { execute, read, write } = accessMode;
/** What each bit of `fileAccess` needs; 0: there is no such thing. */
const needs = {
  directory: {
    read,
    lookup: execute,
    modify: write | execute,
    extend: write | execute,
    delete: write | execute,
    execute: 0,
  },
  other: { read, lookup: 0, modify: write, extend: write, delete: 0, execute },
} as const;

/** What the caller may do by the permissions alone. */
export function accessOf({ callers, files }: TreeState, handle: FileHandle, wanted: number, who: Credentials) {
  return andThen(files.find(handle), (file) => {
    const attributes = file.attributes();
    const needed = file.isDirectory ? needs.directory : needs.other;
    const granted = callers.as(who, () => {
      let bits = 0;
      for (const name of Object.keys(fileAccess) as (keyof typeof fileAccess)[]) {
        const asked = (wanted & fileAccess[name]) !== 0 && needed[name] !== 0;
        if (asked && accessOpen(file.place, needed[name]) === 0) bits |= fileAccess[name];
      }
      return bits;
    });
    return { granted, attributes };
  });
}
