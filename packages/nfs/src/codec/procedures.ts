import {
  bigU64,
  bool,
  fixed,
  list,
  oneOf,
  opaque,
  optional,
  struct,
  u32,
  u64,
  xdrVoid,
  type ValueOf,
  type XdrType,
} from '@ashlar/wire';
import { cookieVerifierBytes, stability, writeVerifierBytes } from './constants.ts';
import {
  attributes,
  attributesAfter,
  change,
  createHow,
  entry,
  entryPlus,
  handle,
  handleAfter,
  linkText,
  name,
  newAttributes,
  nodeData,
  time,
} from './types.ts';

/** One procedure: its arguments, and its results where it went well and where not, behind their status. */
export type Procedure<A, S, F> = {
  readonly number: number;
  readonly name: string;
  readonly args: XdrType<A>;
  readonly ok: XdrType<S>;
  readonly fail: XdrType<F>;
};

/** What any of them takes and gives. */
export type ArgsOf<P> = P extends { readonly args: infer X } ? ValueOf<X> : never;
export type OkOf<P> = P extends { readonly ok: infer X } ? ValueOf<X> : never;
export type FailOf<P> = P extends { readonly fail: infer X } ? ValueOf<X> : never;

/** What a client may ask for at once, and a server gives: bytes. */
const mostDataBytes = 1024 * 1024;
/** Of a reply that a client reads. */
const mostEntries = 1_000_000;

const procedure = <A, S, F>(
  number: number,
  title: string,
  args: XdrType<A>,
  ok: XdrType<S>,
  fail: XdrType<F>,
): Procedure<A, S, F> => ({ number, name: title, args, ok, fail });

const at = struct({ handle });
const inDirectory = struct({ directory: handle, name });
const after = struct({ after: attributesAfter });
const changed = struct({ change });
const directoryAfter = struct({ directoryAfter: attributesAfter });
const directoryChanged = struct({ directoryChange: change });
const made = struct({ handle: handleAfter, after: attributesAfter, directoryChange: change });
const verifier = fixed(writeVerifierBytes);
const cookieVerifier = fixed(cookieVerifierBytes);
const how = oneOf('stability', stability.unstable, stability.file);

/** All procedures of version 3 (RFC 1813, section 3.3), whose numbers are their places. */
export const procedures = {
  null: procedure(0, 'NULL', xdrVoid, xdrVoid, xdrVoid),
  getAttributes: procedure(1, 'GETATTR', at, struct({ attributes }), xdrVoid),
  setAttributes: procedure(
    2,
    'SETATTR',
    struct({ handle, attributes: newAttributes, guard: optional(time) }),
    changed,
    changed,
  ),
  lookup: procedure(
    3,
    'LOOKUP',
    inDirectory,
    struct({ handle, after: attributesAfter, directoryAfter: attributesAfter }),
    directoryAfter,
  ),
  access: procedure(
    4,
    'ACCESS',
    struct({ handle, access: u32 }),
    struct({ after: attributesAfter, access: u32 }),
    after,
  ),
  readLink: procedure(5, 'READLINK', at, struct({ after: attributesAfter, text: linkText }), after),
  read: procedure(
    6,
    'READ',
    struct({ handle, offset: u64, count: u32 }),
    struct({ after: attributesAfter, count: u32, isEnd: bool, data: opaque(mostDataBytes) }),
    after,
  ),
  write: procedure(
    7,
    'WRITE',
    struct({ handle, offset: u64, count: u32, stability: how, data: opaque(mostDataBytes) }),
    struct({ change, count: u32, committed: how, verifier }),
    changed,
  ),
  create: procedure(8, 'CREATE', struct({ directory: handle, name, how: createHow }), made, directoryChanged),
  makeDirectory: procedure(
    9,
    'MKDIR',
    struct({ directory: handle, name, attributes: newAttributes }),
    made,
    directoryChanged,
  ),
  makeLink: procedure(
    10,
    'SYMLINK',
    struct({ directory: handle, name, attributes: newAttributes, text: linkText }),
    made,
    directoryChanged,
  ),
  makeNode: procedure(11, 'MKNOD', struct({ directory: handle, name, node: nodeData }), made, directoryChanged),
  remove: procedure(12, 'REMOVE', inDirectory, directoryChanged, directoryChanged),
  removeDirectory: procedure(13, 'RMDIR', inDirectory, directoryChanged, directoryChanged),
  rename: procedure(
    14,
    'RENAME',
    struct({ from: inDirectory, to: inDirectory }),
    struct({ fromChange: change, toChange: change }),
    struct({ fromChange: change, toChange: change }),
  ),
  link: procedure(
    15,
    'LINK',
    struct({ handle, link: inDirectory }),
    struct({ after: attributesAfter, directoryChange: change }),
    struct({ after: attributesAfter, directoryChange: change }),
  ),
  readDirectory: procedure(
    16,
    'READDIR',
    struct({ directory: handle, cookie: bigU64, verifier: cookieVerifier, count: u32 }),
    struct({
      directoryAfter: attributesAfter,
      verifier: cookieVerifier,
      entries: list(entry, mostEntries),
      isEnd: bool,
    }),
    directoryAfter,
  ),
  readDirectoryPlus: procedure(
    17,
    'READDIRPLUS',
    struct({
      directory: handle,
      cookie: bigU64,
      verifier: cookieVerifier,
      directoryBytes: u32,
      mostBytes: u32,
    }),
    struct({
      directoryAfter: attributesAfter,
      verifier: cookieVerifier,
      entries: list(entryPlus, mostEntries),
      isEnd: bool,
    }),
    directoryAfter,
  ),
  /** Of the whole file system: bytes and files in all, free, and free for the caller; for how many seconds that holds. */
  statistics: procedure(
    18,
    'FSSTAT',
    at,
    struct({
      after: attributesAfter,
      totalBytes: u64,
      freeBytes: u64,
      availableBytes: u64,
      totalFiles: u64,
      freeFiles: u64,
      availableFiles: u64,
      steadySeconds: u32,
    }),
    after,
  ),
  information: procedure(
    19,
    'FSINFO',
    at,
    struct({
      after: attributesAfter,
      mostReadBytes: u32,
      preferredReadBytes: u32,
      readMultiple: u32,
      mostWriteBytes: u32,
      preferredWriteBytes: u32,
      writeMultiple: u32,
      preferredDirectoryBytes: u32,
      mostFileBytes: bigU64,
      timeDelta: time,
      properties: u32,
    }),
    after,
  ),
  pathLimits: procedure(
    20,
    'PATHCONF',
    at,
    struct({
      after: attributesAfter,
      mostLinks: u32,
      mostNameBytes: u32,
      noTruncation: bool,
      chownRestricted: bool,
      caseInsensitive: bool,
      casePreserving: bool,
    }),
    after,
  ),
  commit: procedure(21, 'COMMIT', struct({ handle, offset: u64, count: u32 }), struct({ change, verifier }), changed),
} as const;
