import {
  AshlarError,
  fileAccess,
  type Acl,
  type AclEntry,
  type Credentials,
  type FileAttributes,
  type FileType,
  type NewFileAcls,
  type NewFileAttributes,
} from '@ashlar/core';
import type { KeptAcls } from './acl.ts';

/** Bits of a mode (POSIX, sys/stat.h). */
const modeBit = { setUser: 0o4000, setGroup: 0o2000, sticky: 0o1000, groupExecute: 0o010 } as const;

const anyExecute = 0o111;
const allBits = 0o7777;

const want = { read: 4, write: 2, execute: 1 } as const;

type Owned = Pick<FileAttributes, 'mode' | 'uid' | 'gid'>;
type OwnedFile = Owned & Pick<FileAttributes, 'type'> & { readonly acls?: KeptAcls | undefined };

const isRoot = ({ uid }: Credentials): boolean => uid === 0;

export const isInGroup = ({ gid, gids }: Credentials, group: number): boolean => gid === group || gids.includes(group);

/** Whether a file's mode, or its list, gives its caller all of these: the first of owner, group and others that the caller is counts. */
function permits({ acls, gid, mode, type, uid }: OwnedFile, who: Credentials, wanted: number): boolean {
  if (isRoot(who)) {
    const needsBit = (wanted & want.execute) !== 0 && type !== 'directory';
    return !needsBit || (mode & anyExecute) !== 0;
  }
  if (acls !== undefined && acls.access.length > 0 && who.uid !== uid) {
    return listPermits(acls.access, gid, mode, who, wanted);
  }
  const shift = who.uid === uid ? 6 : isInGroup(who, gid) ? 3 : 0;
  return ((mode >>> shift) & wanted) === wanted;
}

/**
 * The same by a list, of whoever is not the owner (acl(5), access check algorithm): the caller's own entry counts, or else any one of all its groups', each as far as the mask goes,
 * which is the mode's bits of the group; only who has none of them is one of the others.
 */
function listPermits(access: Acl, gid: number, mode: number, who: Credentials, wanted: number): boolean {
  const mask = (mode >>> 3) & 7;
  const gives = ({ permissions }: AclEntry): boolean => (permissions & mask & wanted) === wanted;
  const own = access.find(({ id, tag }) => tag === 'user' && id === who.uid);
  if (own !== undefined) return gives(own);
  const groups = access.filter(({ id, tag }) => tag !== 'user' && isInGroup(who, tag === 'group' ? id : gid));
  return groups.length > 0 ? groups.some(gives) : (mode & wanted) === wanted;
}

const changesEntries = want.write | want.execute;

/** What each bit of `fileAccess` needs; 0: there is no such thing. */
const needs = {
  directory: {
    read: want.read,
    lookup: want.execute,
    modify: changesEntries,
    extend: changesEntries,
    delete: changesEntries,
    execute: 0,
  },
  other: { read: want.read, lookup: 0, modify: want.write, extend: want.write, delete: 0, execute: want.execute },
} as const;

/** Which of these bits of `fileAccess` the caller has (RFC 1813, section 3.3.4): what the mode says, and no more. */
export function grantedAccess(file: OwnedFile, wanted: number, who: Credentials): number {
  const needed = file.type === 'directory' ? needs.directory : needs.other;
  let granted = 0;
  for (const name of Object.keys(fileAccess) as (keyof typeof fileAccess)[]) {
    const bit = fileAccess[name];
    if ((wanted & bit) !== 0 && needed[name] !== 0 && permits(file, who, needed[name])) granted |= bit;
  }
  return granted;
}

const denied = (what: string): AshlarError =>
  new AshlarError('denied', `its permissions do not let the caller ${what}`);

/** Throws `denied` where a name may not be looked for in a directory. */
export function checkSearch(directory: OwnedFile, who: Credentials): void {
  if (!permits(directory, who, want.execute)) throw denied('look for a name in the directory');
}

export function checkList(directory: OwnedFile, who: Credentials): void {
  if (!permits(directory, who, want.read)) throw denied('list the directory');
}

/**
 * Throws `denied` where a file may not be read. Its owner always may: it may have been opened when the mode was another. Who may execute a file may read it, as
 * there is no other way to have it executed.
 */
export function checkRead(file: OwnedFile, who: Credentials): void {
  const may = who.uid === file.uid || permits(file, who, want.read) || permits(file, who, want.execute);
  if (!may) throw denied('read the file');
}

/** The same of writing: only who may write, and its owner. */
export function checkWrite(file: OwnedFile, who: Credentials): void {
  if (who.uid !== file.uid && !permits(file, who, want.write)) throw denied('write to the file');
}

/** Throws `denied` where no names may be made in a directory. */
export function checkMake(directory: OwnedFile, who: Credentials): void {
  if (!permits(directory, who, changesEntries)) throw denied('change the directory');
}

/** The same of taking a name away; in a sticky directory only whoever owns it or the file may (`not-owner`). */
export function checkTake(directory: OwnedFile, file: Owned, who: Credentials): void {
  checkMake(directory, who);
  const isFree = (directory.mode & modeBit.sticky) === 0 || isRoot(who);
  if (isFree || who.uid === file.uid || who.uid === directory.uid) return;
  throw new AshlarError('not-owner', 'the directory is sticky, and the file is somebody else’s');
}

/** Throws `denied` where a directory may not be moved to another one: its `..` is changed. */
export function checkMove(file: OwnedFile, who: Credentials): void {
  if (file.type === 'directory' && !permits(file, who, want.write)) throw denied('move the directory');
}

/** Whose a new file is, and with which mode: in a directory with the set-group-id bit it is the directory's group's. */
export function ownershipIn(directory: Owned, type: FileType, mode: number, who: Credentials): Owned {
  const inherits = (directory.mode & modeBit.setGroup) !== 0;
  const gid = inherits ? directory.gid : who.gid;
  if (type === 'directory') return { mode: (mode & allBits) | (inherits ? modeBit.setGroup : 0), uid: who.uid, gid };
  return { mode: withoutForeignGroup(mode & allBits, gid, who), uid: who.uid, gid };
}

/** Nobody makes a program that runs as a group that they are not in. */
function withoutForeignGroup(mode: number, gid: number, who: Credentials): number {
  return isRoot(who) || isInGroup(who, gid) ? mode : mode & ~modeBit.setGroup;
}

/** What a file's mode is once somebody wrote to it: it runs as nobody else any more, but where root wrote. */
export const modeAfterWrite = (mode: number, who: Credentials): number => (isRoot(who) ? mode : withoutIds(mode));

/** Without the execute bit of the group that of set-group-id says something else. */
export function withoutIds(mode: number): number {
  const left = mode & ~modeBit.setUser;
  return (mode & modeBit.groupExecute) === 0 ? left : left & ~modeBit.setGroup;
}

const notOwner = (what: string): AshlarError => new AshlarError('not-owner', `only its owner may change ${what}`);

/**
 * Throws where a caller may not set these attributes: `not-owner`, `denied`, and `is-directory` or `invalid` for the size of what has none. Gives whose the file is then, and
 * with which mode.
 */
export function checkNewAttributes(file: OwnedFile, change: NewFileAttributes, who: Credentials): Owned {
  const isOwner = isRoot(who) || who.uid === file.uid;
  checkOwners(file, change, who, isOwner);
  checkTimes(file, change, who, isOwner);
  if (change.sizeBytes !== undefined) {
    if (file.type === 'directory') throw new AshlarError('is-directory', 'a directory has no size that could be set');
    if (file.type !== 'regular') throw new AshlarError('invalid', 'only regular files have a size that could be set');
    checkWrite(file, who);
  }
  const uid = change.uid ?? file.uid;
  const gid = change.gid ?? file.gid;
  const isGiven = (change.uid !== undefined || change.gid !== undefined) && file.type !== 'directory';
  let { mode } = file;
  if (change.mode !== undefined) {
    if (!isOwner) throw notOwner('its mode');
    mode = withoutForeignGroup(change.mode & allBits, gid, who);
  }
  if (change.sizeBytes !== undefined) mode = modeAfterWrite(mode, who);
  return { mode: isGiven ? withoutIds(mode) : mode, uid, gid };
}

/** The same of access control lists: gives the mode that a file has then, in place of the one that they say. */
export function checkNewAcls(file: OwnedFile, { inherited }: NewFileAcls, mode: number, who: Credentials): number {
  if (file.type === 'link') throw new AshlarError('unsupported', 'symbolic links have no access control list');
  if (!isRoot(who) && who.uid !== file.uid) throw notOwner('its access control list');
  if (file.type !== 'directory' && inherited !== undefined && inherited.length > 0) {
    throw denied('have a list inherited from it, as it is no directory');
  }
  return withoutForeignGroup(mode, file.gid, who);
}

function checkOwners(file: Owned, { gid, uid }: NewFileAttributes, who: Credentials, isOwner: boolean): void {
  if (isRoot(who)) return;
  if (uid !== undefined && (!isOwner || uid !== file.uid)) {
    throw new AshlarError('not-owner', 'only root gives a file to another owner');
  }
  if (gid !== undefined && (!isOwner || (gid !== file.gid && !isInGroup(who, gid)))) {
    throw new AshlarError('not-owner', 'only its owner gives a file to another group, and only to one of its own');
  }
}

function checkTimes(
  file: OwnedFile,
  { accessed = 'keep', modified = 'keep' }: NewFileAttributes,
  who: Credentials,
  isOwner: boolean,
): void {
  if (isOwner || (accessed === 'keep' && modified === 'keep')) return;
  if (typeof accessed === 'object' || typeof modified === 'object') throw notOwner('its times');
  if (!permits(file, who, want.write)) throw denied('change its times');
}
