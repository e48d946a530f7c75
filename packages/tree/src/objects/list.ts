import {
  andThen,
  AshlarError,
  isPromise,
  type Credentials,
  type DirectoryEntry,
  type FileHandle,
  type Settled,
} from '@ashlar/core';
import { checkList } from '../permissions.ts';
import { attributesOf } from './attributes.ts';
import { cookieOf, decodeEntries, dotCookie, dotDotCookie, endKey, entryKey, hashIn, placeOf } from './entries.ts';
import { handleOf } from './handles.ts';
import type { InodeHead } from './inode.ts';
import { directoryOf, type ReadState } from './tree-state.ts';

export type Listing = {
  readonly entries: readonly DirectoryEntry[];
  readonly isEnd: boolean;
  readonly directory: ReturnType<typeof attributesOf>;
};

/** A name as it is in the record of its hash. */
type Listed = { readonly name: Uint8Array; readonly inode: number; readonly cookie: bigint };

const firstHash = { high: 0, low: 0 } as const;
const dots = [
  { name: Buffer.from('.'), cookie: dotCookie },
  { name: Buffer.from('..'), cookie: dotDotCookie },
] as const;

export function listDirectory(
  state: ReadState,
  directory: FileHandle,
  cookie: bigint,
  most: number,
  withAttributes: boolean,
  who: Credentials,
): Settled<Listing> {
  return andThen(directoryOf(state, directory), (inode) => {
    checkList(inode, who);
    const place = cookie <= dotDotCookie ? { hash: firstHash, index: 0 } : placeOf(cookie);
    if (place === undefined) throw new AshlarError('bad-cookie', 'a listing goes on behind what was never given');
    const before: Listed[] = dots
      .filter((dot) => dot.cookie > cookie)
      .map((dot) => ({ ...dot, inode: dot.cookie === dotCookie ? inode.number : inode.parent }));
    const from = entryKey(inode.number, place.hash);
    return andThen(state.records.scan(from, endKey(inode.number), most + 1), (records) => {
      const found = before;
      for (const { key, value } of records) {
        const hash = hashIn(key);
        for (const entry of decodeEntries(value)) {
          const own = cookieOf(hash, entry.index);
          if (own > cookie) found.push({ name: entry.name, inode: entry.inode, cookie: own });
        }
      }
      const isEnd = records.length <= most && found.length <= most;
      const listed = found.slice(0, most);
      const entries = withAttributes ? withFound(state, listed) : listed.map((each) => entryOf(each, undefined));
      return andThen(entries, (all) => ({ entries: all, isEnd, directory: attributesOf(inode) }));
    });
  });
}

const entryOf = ({ cookie, inode: number, name }: Listed, inode: InodeHead | undefined): DirectoryEntry => ({
  name,
  fileId: BigInt(number),
  cookie,
  found:
    inode === undefined
      ? undefined
      : { file: handleOf(inode.number, inode.generation), attributes: attributesOf(inode) },
});

/** With what each is, but for those that were removed meanwhile. */
function withFound({ inodes }: Pick<ReadState, 'inodes'>, listed: readonly Listed[]): Settled<DirectoryEntry[]> {
  const found = listed.map(({ inode }) => inodes.glance(inode));
  const entries = (all: readonly (InodeHead | undefined)[]): DirectoryEntry[] =>
    listed.map((each, at) => entryOf(each, all[at]));
  return found.some(isPromise) ? Promise.all(found).then(entries) : entries(found as (InodeHead | undefined)[]);
}
