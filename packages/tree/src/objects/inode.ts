import { AshlarError, assert, type DeviceNumbers, type FileTime, type FileType } from '@ashlar/core';
import type { KeptAcls } from '../acl.ts';
import { decodeAcls, encodeAcls, aclEntryBytes } from './inode-acls.ts';
import { fileTypes } from './file-types.ts';

/** What is kept of a file, but for its bytes. */
export type Inode = {
  readonly number: number;
  /** Of two files that have one number, one behind the other, only one has it. */
  readonly generation: number;
  readonly type: FileType;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly device: DeviceNumbers;
  readonly accessed: FileTime;
  readonly modified: FileTime;
  readonly changed: FileTime;
  /** Of a directory: the one it is in, and how many names it has. */
  readonly parent: number;
  readonly entries: number;
  /** 8 bytes: what made it exclusively. */
  readonly verifier: Uint8Array | undefined;
  /** Of a symbolic link. */
  readonly text: Uint8Array;
  /** Where its regions begin in the tree's object, in their order; -1: nothing was written there. */
  readonly regions: readonly number[];
  /** Tables of regions (region-tables.ts) that are not on record as they are. */
  readonly changedTables: readonly number[];
  /** Nothing: its mode says all. */
  readonly acls: KeptAcls | undefined;
};

/** What can be said of a file by the head of its record. */
export type InodeHead = Omit<Inode, 'parent' | 'entries' | 'verifier' | 'text' | 'regions' | 'changedTables' | 'acls'>;

/** Regions that the record of an inode names itself; a file of more than 14 GiB has tables of them as well. */
export const ownRegions = 32;

const version = 1;
/** Of what has access control lists: what knows only of the first refuses it. */
const versionWithAcls = 2;
const headBytes = 104;
const aclCountsAt = 100;
const verifierBytes = 8;
const regionBytes = 6;
/** Regions begin at multiples of it: so many of the object's bytes can be told in six. */
const regionUnit = 4096;
const flag = { verifier: 1, tables: 2 } as const;
const half = 2 ** 32;
const noText = Buffer.alloc(0);

/**
 * Little endian: version u8, type u8, mode u16, flags u16, length of the text u16, generation u32, links u32, uid u32, gid u32, major u32, minor u32, size u64, used
 * u64, parent u64, entries u64, seconds as u64 with nanoseconds as u32 of the last access, modification and change, and the numbers of entries of the access control lists, u16 of what is
 * kept of the file's own and u16 of what is inherited from it; then the verifier, the text, these entries, and regions.
 */
export function encodeInode(inode: Inode): Buffer {
  const { acls, device, text, verifier } = inode;
  const regions = inode.regions.slice(0, ownRegions);
  const lists = acls === undefined ? undefined : encodeAcls(acls);
  const listBytes = lists?.length ?? 0;
  const ownBytes = (verifier === undefined ? 0 : verifierBytes) + text.length + listBytes;
  const bytes = Buffer.allocUnsafe(headBytes + ownBytes + regions.length * regionBytes);
  bytes[0] = acls === undefined ? version : versionWithAcls;
  bytes[1] = fileTypes.indexOf(inode.type);
  bytes.writeUInt16LE(inode.mode, 2);
  const flags = (verifier === undefined ? 0 : flag.verifier) | (inode.regions.length > ownRegions ? flag.tables : 0);
  bytes.writeUInt16LE(flags, 4);
  bytes.writeUInt16LE(text.length, 6);
  bytes.writeUInt32LE(inode.generation, 8);
  bytes.writeUInt32LE(inode.links, 12);
  bytes.writeUInt32LE(inode.uid, 16);
  bytes.writeUInt32LE(inode.gid, 20);
  bytes.writeUInt32LE(device.major, 24);
  bytes.writeUInt32LE(device.minor, 28);
  writeLong(bytes, 32, inode.sizeBytes);
  writeLong(bytes, 40, inode.usedBytes);
  writeLong(bytes, 48, inode.parent);
  writeLong(bytes, 56, inode.entries);
  writeTime(bytes, 64, inode.accessed);
  writeTime(bytes, 76, inode.modified);
  writeTime(bytes, 88, inode.changed);
  bytes.writeUInt16LE(acls?.access.length ?? 0, aclCountsAt);
  bytes.writeUInt16LE(acls?.inherited.length ?? 0, aclCountsAt + 2);
  let at = headBytes;
  if (verifier !== undefined) {
    assert(verifier.length === verifierBytes, 'a verifier has 8 bytes');
    bytes.set(verifier, at);
    at += verifierBytes;
  }
  bytes.set(text, at);
  at += text.length;
  if (lists !== undefined) bytes.set(lists, at);
  at += listBytes;
  if (regions.length > 0) bytes.set(encodeRegions(regions), at);
  return bytes;
}

/** Where regions begin, six bytes each, as units of 4 KiB from 1 on; 0: none is there. */
export function encodeRegions(regions: readonly number[]): Buffer {
  const bytes = Buffer.alloc(regions.length * regionBytes);
  for (const [at, region] of regions.entries()) {
    assert(region < 0 || region % regionUnit === 0, 'a region begins at a multiple of its unit');
    bytes.writeUIntLE(region < 0 ? 0 : region / regionUnit + 1, at * regionBytes, regionBytes);
  }
  return bytes;
}

/** What its own record takes, about. */
export const recordBytesOf = ({ acls, regions, text }: Inode): number => {
  const entries = acls === undefined ? 0 : acls.access.length + acls.inherited.length;
  return headBytes + text.length + entries * aclEntryBytes + Math.min(regions.length, ownRegions) * regionBytes;
};

/** Whether there are tables of its regions besides. */
export const hasTables = (record: Uint8Array): boolean => ((record[4] ?? 0) & flag.tables) !== 0;

const damaged = (number: number): AshlarError =>
  new AshlarError('corrupt', `what is kept of the file ${number} is damaged`);

const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** Throws `corrupt`. */
export function decodeHead(number: number, record: Uint8Array): InodeHead {
  const bytes = asBuffer(record);
  const type = fileTypes[bytes[1] ?? -1];
  const isKnown = bytes[0] === version || bytes[0] === versionWithAcls;
  if (bytes.length < headBytes || !isKnown || type === undefined) throw damaged(number);
  return {
    number,
    generation: bytes.readUInt32LE(8),
    type,
    mode: bytes.readUInt16LE(2),
    links: bytes.readUInt32LE(12),
    uid: bytes.readUInt32LE(16),
    gid: bytes.readUInt32LE(20),
    sizeBytes: readLong(bytes, 32),
    usedBytes: readLong(bytes, 40),
    device: { major: bytes.readUInt32LE(24), minor: bytes.readUInt32LE(28) },
    accessed: readTime(bytes, 64),
    modified: readTime(bytes, 76),
    changed: readTime(bytes, 88),
  };
}

/** With the regions that it names itself. Throws `corrupt`. */
export function decodeInode(number: number, record: Uint8Array): Inode {
  const bytes = asBuffer(record);
  const head = decodeHead(number, bytes);
  const hasAcls = bytes[0] === versionWithAcls;
  const textBytes = bytes.readUInt16LE(6);
  const verifierEnd = headBytes + ((bytes.readUInt16LE(4) & flag.verifier) === 0 ? 0 : verifierBytes);
  const textEnd = verifierEnd + textBytes;
  const ownEntries = hasAcls ? bytes.readUInt16LE(aclCountsAt) : 0;
  const allEntries = hasAcls ? ownEntries + bytes.readUInt16LE(aclCountsAt + 2) : 0;
  const aclsEnd = textEnd + allEntries * aclEntryBytes;
  if (aclsEnd > bytes.length || (bytes.length - aclsEnd) % regionBytes !== 0) throw damaged(number);
  const acls = hasAcls ? decodeAcls(bytes.subarray(textEnd, aclsEnd), ownEntries) : undefined;
  if (hasAcls && acls === undefined) throw damaged(number);
  return {
    ...head,
    parent: readLong(bytes, 48),
    entries: readLong(bytes, 56),
    // Copies: a record lies in memory that others lie in too, which is kept as long as any part of it.
    verifier: verifierEnd === headBytes ? undefined : Uint8Array.prototype.slice.call(bytes, headBytes, verifierEnd),
    text: textBytes === 0 ? noText : Uint8Array.prototype.slice.call(bytes, verifierEnd, textEnd),
    regions: decodeRegions(bytes.subarray(aclsEnd)),
    changedTables: [],
    acls,
  };
}

export function decodeRegions(record: Uint8Array): number[] {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length);
  const regions: number[] = [];
  for (let at = 0; at < bytes.length; at += regionBytes) {
    const units = bytes.readUIntLE(at, regionBytes);
    regions.push(units === 0 ? -1 : (units - 1) * regionUnit);
  }
  return regions;
}

function writeTime(bytes: Buffer, at: number, { nanoseconds, seconds }: FileTime): void {
  writeLong(bytes, at, seconds);
  bytes.writeUInt32LE(nanoseconds, at + 8);
}

function writeLong(bytes: Buffer, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'what is kept in 64 bits is exact');
  bytes.writeUInt32LE(value % half, at);
  bytes.writeUInt32LE(Math.floor(value / half), at + 4);
}

const readTime = (bytes: Buffer, at: number): FileTime => ({
  seconds: readLong(bytes, at),
  nanoseconds: bytes.readUInt32LE(at + 8),
});

const readLong = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * half;
