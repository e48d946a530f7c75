import { readDirectory, readDirectoryPlus } from './directory-procedures.ts';
import {
  access,
  commit,
  getAttributes,
  information,
  pathLimits,
  readLink,
  setAttributes,
  statistics,
  write,
} from './file-procedures.ts';
import type { Handler } from './handler.ts';
import {
  create,
  link,
  lookup,
  makeDirectory,
  makeLink,
  makeNode,
  remove,
  removeDirectory,
  rename,
} from './name-procedures.ts';

/** What answers each procedure of NFS version 3, by its number. NULL and READ are the session's own. */
export const nfsHandlers: ReadonlyMap<number, Handler> = new Map(
  [
    getAttributes,
    setAttributes,
    lookup,
    access,
    readLink,
    write,
    create,
    makeDirectory,
    makeLink,
    makeNode,
    remove,
    removeDirectory,
    rename,
    link,
    readDirectory,
    readDirectoryPlus,
    statistics,
    information,
    pathLimits,
    commit,
  ].map((each) => [each.number, each] as const),
);

/** Those that are not done twice, though they be asked for twice: what was answered at first is answered again. */
export const unrepeatable: ReadonlySet<number> = new Set(
  [setAttributes, create, makeDirectory, makeLink, makeNode, remove, removeDirectory, rename, link].map(
    ({ number }) => number,
  ),
);
