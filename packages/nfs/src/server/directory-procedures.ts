import { andThen, AshlarError, KiB, MiB, type DirectoryEntry } from '@ashlar/core';
import { XdrWriter, type XdrType } from '@ashlar/wire';
import { cookieVerifierBytes } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { attributesAfter, entry as entryType, entryPlus } from '../codec/types.ts';
import { on, type Call, type Target } from './call.ts';
import { handler } from './handler.ts';

/** Cookies are worth something for ever: nobody needs to know of which listing one is. */
const cookieVerifier = Buffer.alloc(cookieVerifierBytes);

/** Of results without an entry: attributes, the verifier, the end of the list, and whether it is all. */
const emptyBytes = 4 + 84 + cookieVerifierBytes + 4 + 4;
/** Of an entry without its name: that there is one, the file's id, the length of the name, the cookie. */
const entryBytes = 4 + 8 + 4 + 8;
/** Of an entry's attributes. */
const attributesBytes = 4 + 84;
const mostReplyBytes = MiB;
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

/** Results as they were written while the directory was gone through. */
type Page = XdrWriter;

/** Pages that were sent: few are written at once. */
const idlePages: Page[] = [];
const mostIdlePages = 2;

/** Is written once. */
const written: XdrType<Page> = {
  read: () => {
    throw new AshlarError('unsupported', 'what a server writes of a directory is read as what it is');
  },
  write(writer, page) {
    writer.fixed(page.bytes());
    if (idlePages.length < mostIdlePages) idlePages.push(page.reset());
  },
};

/** Of an entry as it is written, behind the word that says that there is one. */
type Listed = { readonly entry: DirectoryEntry; readonly handle: Buffer | undefined };

const nameBytesOf = ({ name }: DirectoryEntry): number => entryBytes + padded(name.length);

/** Of what is told besides names. */
const foundBytes = ({ entry: { found }, handle }: Listed): number =>
  (found === undefined ? 4 : attributesBytes) + (handle === undefined ? 4 : 8 + padded(handle.length));

function writeEntry(page: Page, target: Target, { entry, handle }: Listed, { withAttributes }: Bounds): void {
  page.bool(true);
  if (!withAttributes) return entryType.write(page, entry);
  const { cookie, fileId, found, name } = entry;
  const attributes = found === undefined ? undefined : on(target, found.attributes);
  entryPlus.write(page, { fileId, name, cookie, attributes, handle });
}

/** As many entries behind a cookie as there is room for. Throws `too-small` where there is none for one. */
async function listed(call: Call, directory: Uint8Array, cookie: bigint, bounds: Bounds): Promise<Page> {
  const target = call.target(directory);
  const { file, tree, who } = target;
  let page: Page | undefined;
  let hasEntry = false;
  let left = bounds.bytes - emptyBytes;
  let namesLeft = bounds.nameBytes;
  // What does not fit is asked for in vain, and what is missing is asked for once more.
  const usualNameEntryBytes = entryBytes + usualNameBytes;
  const usualBytes = usualNameEntryBytes + (bounds.withAttributes ? attributesBytes + usualHandleBytes : 0);
  for (let behind = cookie; ;) {
    const wanted = Math.ceil(Math.min(left / usualBytes, namesLeft / usualNameEntryBytes));
    const most = Math.min(mostAtOnce, Math.max(1, wanted));
    const { directory: attributes, entries, isEnd } = await tree.list(file, behind, most, bounds.withAttributes, who);
    if (page === undefined) {
      page = idlePages.pop() ?? new XdrWriter(64 * KiB);
      // As it was when the first were read: whoever keeps the list goes by it to see that something came since.
      attributesAfter.write(page, on(target, attributes));
      page.fixed(cookieVerifier);
    }
    for (const entry of entries) {
      const nameBytes = nameBytesOf(entry);
      const { found } = entry;
      const handle = bounds.withAttributes && found !== undefined ? call.handleOf(target, found.file) : undefined;
      const each = { entry, handle };
      left -= nameBytes + (bounds.withAttributes ? foundBytes(each) : 0);
      namesLeft -= nameBytes;
      if (left < 0 || (namesLeft < 0 && hasEntry)) {
        if (hasEntry) return page.bool(false).bool(false);
        throw new AshlarError('too-small', 'there is no room for the first entry');
      }
      writeEntry(page, target, each, bounds);
      hasEntry = true;
      behind = entry.cookie;
    }
    if (isEnd) return page.bool(false).bool(true);
  }
}

const failed = (call: Call, { directory }: { readonly directory: Uint8Array }) =>
  andThen(call.attributesNow(directory), (directoryAfter) => ({ directoryAfter }));

export const readDirectory = handler(
  { ...procedures.readDirectory, ok: written },
  {
    run: (call, { cookie, count, directory }) => {
      const bytes = Math.min(count, mostReplyBytes);
      return listed(call, directory, cookie, { bytes, nameBytes: bytes, withAttributes: false });
    },
    fail: failed,
  },
);

export const readDirectoryPlus = handler(
  { ...procedures.readDirectoryPlus, ok: written },
  {
    run: (call, { cookie, directory, directoryBytes, mostBytes }) => {
      const bytes = Math.min(mostBytes, mostReplyBytes);
      return listed(call, directory, cookie, { bytes, nameBytes: directoryBytes, withAttributes: true });
    },
    fail: failed,
  },
);
