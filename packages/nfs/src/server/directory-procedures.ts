import { andThen, AshlarError, type DirectoryEntry } from '@ashlar/core';
import { cookieVerifierBytes } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import type { Attributes } from '../codec/types.ts';
import { on, type Call } from './call.ts';
import { handler } from './handler.ts';

/** Cookies are worth something for ever: nobody needs to know of which listing one is. */
const cookieVerifier = Buffer.alloc(cookieVerifierBytes);

/** Of results without an entry: attributes, the verifier, the end of the list, and whether it is all. */
const emptyBytes = 4 + 84 + cookieVerifierBytes + 4 + 4;
/** Of an entry without its name: that there is one, the file's id, the length of the name, the cookie. */
const entryBytes = 4 + 8 + 4 + 8;
/** Of an entry's attributes. */
const attributesBytes = 4 + 84;
const mostReplyBytes = 1024 * 1024;
/** Entries that are asked for at once. */
const mostAtOnce = 1024;
/** Of a name, about: of shorter ones more is asked for behind these. */
const usualNameBytes = 16;
/** Of a handle, with its length and that there is one: as most are. */
const usualHandleBytes = 40;

const padded = (length: number): number => length + (-length & 3);

type Bounds = {
  /** Of the whole of the results, and of what is told of names alone. */
  readonly bytes: number;
  readonly nameBytes: number;
  readonly withAttributes: boolean;
};

/** `handle`: where attributes are asked for, and the file is still there. */
type Listed = { readonly entry: DirectoryEntry; readonly handle: Buffer | undefined };

type Page = { readonly listed: readonly Listed[]; readonly isEnd: boolean; readonly directoryAfter: Attributes };

/** As many entries behind a cookie as there is room for. Throws `too-small` where there is none for one. */
async function page(call: Call, directory: Uint8Array, cookie: bigint, bounds: Bounds): Promise<Page> {
  const target = call.target(directory);
  const { file, tree, who } = target;
  const listed: Listed[] = [];
  let left = bounds.bytes - emptyBytes;
  let namesLeft = bounds.nameBytes;
  // What does not fit is asked for in vain, and what is missing is asked for once more.
  const usualNameEntryBytes = entryBytes + usualNameBytes;
  const usualBytes = usualNameEntryBytes + (bounds.withAttributes ? attributesBytes + usualHandleBytes : 0);
  for (let behind = cookie; ;) {
    const most = Math.min(
      mostAtOnce,
      Math.max(1, Math.ceil(Math.min(left / usualBytes, namesLeft / usualNameEntryBytes))),
    );
    const listing = await tree.list(file, behind, most, bounds.withAttributes, who);
    for (const entry of listing.entries) {
      const nameBytes = entryBytes + padded(entry.name.length);
      const handle =
        bounds.withAttributes && entry.found !== undefined ? call.handleOf(target, entry.found.file) : undefined;
      left -= nameBytes + (bounds.withAttributes ? attributesBytes + handleBytes(handle) : 0);
      namesLeft -= nameBytes;
      if (left < 0 || (namesLeft < 0 && listed.length > 0)) {
        if (listed.length > 0) return { listed, isEnd: false, directoryAfter: on(target, listing.directory) };
        throw new AshlarError('too-small', 'there is no room for the first entry');
      }
      listed.push({ entry, handle });
      behind = entry.cookie;
    }
    if (listing.isEnd) return { listed, isEnd: true, directoryAfter: on(target, listing.directory) };
  }
}

const handleBytes = (handle: Buffer | undefined): number => 4 + (handle === undefined ? 0 : 4 + padded(handle.length));

const failed = (call: Call, { directory }: { readonly directory: Uint8Array }) =>
  andThen(call.attributesNow(directory), (directoryAfter) => ({ directoryAfter }));

export const readDirectory = handler(procedures.readDirectory, {
  run: async (call, { cookie, count, directory }) => {
    const bytes = Math.min(count, mostReplyBytes);
    const bounds = { bytes, nameBytes: bytes, withAttributes: false };
    const { directoryAfter, isEnd, listed } = await page(call, directory, cookie, bounds);
    return { directoryAfter, verifier: cookieVerifier, entries: listed.map(({ entry }) => entry), isEnd };
  },
  fail: failed,
});

export const readDirectoryPlus = handler(procedures.readDirectoryPlus, {
  run: async (call, { cookie, directory, directoryBytes, mostBytes }) => {
    const bounds = {
      bytes: Math.min(mostBytes, mostReplyBytes),
      nameBytes: directoryBytes,
      withAttributes: true,
    };
    const found = await page(call, directory, cookie, bounds);
    const target = call.target(directory);
    const entries = found.listed.map(({ entry: { cookie: own, fileId, found: each, name }, handle }) => ({
      fileId,
      name,
      cookie: own,
      attributes: each === undefined ? undefined : on(target, each.attributes),
      handle,
    }));
    return { directoryAfter: found.directoryAfter, verifier: cookieVerifier, entries, isEnd: found.isEnd };
  },
  fail: failed,
});
