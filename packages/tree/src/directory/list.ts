import {
  andThen,
  AshlarError,
  type Credentials,
  type DirectoryEntry,
  type FileAttributes,
  type FileHandle,
  type Settled,
} from '@ashlar/core';
import { accessMode, accessOpen, nextEntries, openToName, seekEntry, type ListedName } from '@ashlar/host';
import { isDot, isDotDot } from '../names.ts';
import { attributesOf } from './attributes.ts';
import { done, fileError } from './errors.ts';
import type { OpenFile } from './open-file.ts';
import type { TreeState } from './tree-state.ts';

type Listing = {
  readonly entries: readonly DirectoryEntry[];
  readonly isEnd: boolean;
  readonly directory: FileAttributes;
};

/** Positions of the system have a sign. */
const mostCookie = 2n ** 63n - 1n;
/** Entries whose attributes are asked for at once: each needs a descriptor. */
const mostAtOnce = 64;

/** Cookies are where the system goes on behind an entry (the d_off of getdents64): file systems keep those. */
export function listDirectory(
  state: TreeState,
  handle: FileHandle,
  cookie: bigint,
  most: number,
  withAttributes: boolean,
  who: Credentials,
): Settled<Listing> {
  return andThen(state.files.directory(handle), (directory) => {
    directory.stat();
    const result = state.callers.as(who, () => accessOpen(directory.place, accessMode.read));
    if (result < 0) throw fileError(-result);
    const { isEnd, names } = namesBehind(directory, cookie, most);
    if (!withAttributes) {
      const entries = names.map((each) => plain(state, directory, each));
      return { entries, isEnd, directory: directory.attributes() };
    }
    return directory.during(async () => ({
      entries: await detailed(state, directory, names, who),
      isEnd,
      directory: directory.attributes(),
    }));
  });
}

function namesBehind({ reader }: OpenFile, cookie: bigint, most: number): { names: ListedName[]; isEnd: boolean } {
  const { number } = reader;
  const badCookie = (): AshlarError => new AshlarError('bad-cookie', 'the directory has no such cookie');
  if (cookie > mostCookie || seekEntry(number, cookie) < 0) throw badCookie();
  const names: ListedName[] = [];
  for (;;) {
    const found = done<ListedName[]>(nextEntries(number, most - names.length + 1));
    if (found.length === 0) return { names, isEnd: true };
    for (const each of found) {
      if (names.length === most) return { names, isEnd: false };
      names.push(each);
    }
  }
}

function plain({ files }: TreeState, directory: OpenFile, { inode, name, position }: ListedName): DirectoryEntry {
  const fileId = directory === files.root && isDotDot(name) ? directory.inode : inode;
  return { name, fileId, cookie: position, found: undefined };
}

/** What the caller may not look at, or is on another file system, has a name alone. */
async function detailed(
  state: TreeState,
  directory: OpenFile,
  names: readonly ListedName[],
  who: Credentials,
): Promise<DirectoryEntry[]> {
  const entries: DirectoryEntry[] = [];
  for (let at = 0; at < names.length; at += mostAtOnce) {
    const some = names.slice(at, at + mostAtOnce);
    const { place } = directory;
    const descriptors = state.callers.as(who, () =>
      some.map(({ name }) => (isItself(state, directory, name) ? 0 : openToName(place, name))),
    );
    for (const [index, each] of some.entries()) {
      const entry = detail(state, directory, each, descriptors[index]!);
      entries.push(entry instanceof Promise ? await entry : entry);
    }
  }
  return entries;
}

const isItself = ({ files }: TreeState, directory: OpenFile, name: Uint8Array): boolean =>
  isDot(name) || (directory === files.root && isDotDot(name));

function detail(
  state: TreeState,
  directory: OpenFile,
  listed: ListedName,
  descriptor: number,
): Settled<DirectoryEntry> {
  const { name, position } = listed;
  const entry = plain(state, directory, listed);
  const failed = (error: unknown): DirectoryEntry => {
    if (error instanceof AshlarError) return entry;
    throw error;
  };
  try {
    if (isItself(state, directory, name)) {
      return { ...entry, found: { file: directory.handle, attributes: directory.attributes() } };
    }
    if (descriptor < 0) return entry;
    const looking = state.files.look(descriptor, { directory: directory.inode, name });
    const found = andThen(looking, ({ handle, stat }): DirectoryEntry => {
      return { name, fileId: stat.inode, cookie: position, found: { file: handle, attributes: attributesOf(stat) } };
    });
    return found instanceof Promise ? found.catch(failed) : found;
  } catch (error) {
    return failed(error);
  }
}
