import { AshlarError, assert, type FileType } from '@ashlar/core';
import { fileTypes } from './file-types.ts';
import { directoryPrefix, hashBytes, inodeBytes, prefix } from './keys.ts';

/** One name in a directory. */
export type Entry = {
  readonly name: Buffer;
  readonly inode: number;
  readonly type: FileType;
  /** Tells names of one hash apart. */
  readonly index: number;
};

/** What a hash of a name is made with, so that nobody who does not know it finds names of one hash. */
export type HashKey = readonly [number, number];

/** 54 bits of a name, never 0. */
export type NameHash = { readonly high: number; readonly low: number };

const highMask = 0x3f_ffff;
/** Of names of one hash: they lie in one record, which has room for as many of the longest. */
const mostIndex = 200;

/** Where listings begin: what comes before every entry is the directory itself and what it is in. */
export const dotCookie = 1n;
export const dotDotCookie = 2n;

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

/** MurmurHash3's rounds, with one key. */
function hash32(name: Uint8Array, seed: number): number {
  let hash = seed;
  let word = 0;
  for (let at = 0; at < name.length; at += 1) {
    word |= name[at]! << ((at & 3) * 8);
    if ((at & 3) !== 3 && at !== name.length - 1) continue;
    hash ^= Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
    hash = (Math.imul(rotate(hash, 13), 5) + 0xe6546b64) | 0;
    word = 0;
  }
  hash ^= name.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export function nameHash(name: Uint8Array, [first, second]: HashKey): NameHash {
  const low = hash32(name, first);
  const high = hash32(name, second) & highMask;
  return low === 0 && high === 0 ? { high, low: 1 } : { high, low };
}

/** The key of the record of all names of a hash in a directory: records of a directory lie in the order of their cookies. */
export function entryKey(directory: number, { high, low }: NameHash): Buffer {
  const key = Buffer.allocUnsafe(directoryPrefix + hashBytes);
  writeDirectory(key, directory);
  key.writeUIntBE(high, directoryPrefix, 3);
  key.writeUInt32BE(low, directoryPrefix + 3);
  return key;
}

/** Behind the keys of all names of a directory. */
export const endKey = (directory: number): Buffer => {
  const key = Buffer.alloc(directoryPrefix + hashBytes, 0xff);
  writeDirectory(key, directory);
  return key;
};

const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

export const hashIn = (key: Uint8Array): NameHash => {
  const bytes = asBuffer(key);
  return { high: bytes.readUIntBE(directoryPrefix, 3), low: bytes.readUInt32BE(directoryPrefix + 3) };
};

/** Each is read before the next is written. */
const cookieWords = new DataView(new ArrayBuffer(8));

/** What a listing goes on behind: below 2^62, as clients keep it in a signed number. The hash, and the index as its last byte. */
export function cookieOf({ high, low }: NameHash, index: number): bigint {
  cookieWords.setUint32(0, (high << 8) | (low >>> 24));
  cookieWords.setUint32(4, (low << 8) | index);
  return cookieWords.getBigUint64(0);
}

/** What a cookie of an entry says; nothing for one that no entry has. */
export function placeOf(cookie: bigint): { readonly hash: NameHash; readonly index: number } | undefined {
  const bits = cookie >> 8n;
  if (bits === 0n || bits >= 2n ** 54n) return undefined;
  return { hash: { high: Number(bits >> 32n), low: Number(bits & 0xffff_ffffn) }, index: Number(cookie & 0xffn) };
}

const headBytes = 10;

/** The record of names of one hash: index u8, type u8, inode u48, length of the name u16, the name; in the order of their indexes. */
export function encodeEntries(entries: readonly Entry[]): Buffer {
  const bytes = Buffer.allocUnsafe(entries.reduce((sum, { name }) => sum + headBytes + name.length, 0));
  let at = 0;
  for (const { index, inode, name, type } of entries) {
    bytes[at] = index;
    bytes[at + 1] = fileTypes.indexOf(type);
    bytes.writeUIntBE(inode, at + 2, inodeBytes);
    bytes.writeUInt16BE(name.length, at + 8);
    bytes.set(name, at + headBytes);
    at += headBytes + name.length;
  }
  return bytes;
}

/** Throws `corrupt`. */
export function decodeEntries(record: Uint8Array): Entry[] {
  const bytes = asBuffer(record);
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = at + headBytes <= bytes.length ? bytes.readUInt16BE(at + 8) : Infinity;
    const type = fileTypes[bytes[at + 1] ?? -1];
    if (type === undefined || at + headBytes + length > bytes.length) {
      throw new AshlarError('corrupt', 'names in a directory are damaged');
    }
    const name = bytes.subarray(at + headBytes, at + headBytes + length);
    entries.push({ index: bytes[at]!, type, inode: bytes.readUIntBE(at + 2, inodeBytes), name });
    at += headBytes + length;
  }
  return entries;
}

export const entryNamed = (entries: readonly Entry[], name: Uint8Array): Entry | undefined =>
  entries.find((entry) => entry.name.equals(name));

/** The entries with one more. Throws `no-space` where too many names have one hash. */
export function withEntry(entries: readonly Entry[], added: Omit<Entry, 'index'>): Entry[] {
  assert(entryNamed(entries, added.name) === undefined, 'a name is in a directory once');
  let index = 0;
  while (entries[index]?.index === index) index += 1;
  if (index > mostIndex) throw new AshlarError('no-space', 'too many names of the directory are alike');
  return [...entries.slice(0, index), { ...added, index }, ...entries.slice(index)];
}

export const withoutEntry = (entries: readonly Entry[], removed: Entry): Entry[] =>
  entries.filter((entry) => entry !== removed);

function writeDirectory(key: Buffer, directory: number): void {
  key[0] = prefix.entry;
  key.writeUIntBE(directory, 1, inodeBytes);
}
