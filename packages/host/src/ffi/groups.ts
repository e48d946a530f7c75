import { assert } from '@ashlar/core';
import type { KoffiFunc } from 'koffi';
import { libc } from './libc.ts';
import { addressOf } from './memory.ts';
import { onPool } from './pool-calls.ts';

type Getpwuid = KoffiFunc<(uid: number, entry: number, text: number, length: number, found: number) => number>;
type Getgrouplist = KoffiFunc<(name: number, gid: number, groups: number, count: number) => number>;

const getpwuid: Getpwuid = libc.func(
  'int getpwuid_r(unsigned int uid, uintptr_t entry, uintptr_t text, size_t length, uintptr_t found)',
);
const getgrouplist: Getgrouplist = libc.func(
  'int getgrouplist(uintptr_t name, unsigned int gid, uintptr_t groups, uintptr_t count)',
);

/** struct passwd of a 64-bit machine: name and password are pointers, uid and gid 32 bits each, then three more pointers. */
const entryBytes = 48;
const gidAt = 20;
/** Names, directories and shells of one user. */
const textBytes = 64 * 1024;
/** As many as the kernel knows of one process (NGROUPS_MAX). */
const mostGroups = 65_536;

/**
 * The groups of a user as the machine's databases have them (nsswitch.conf), on the thread pool; undefined where there is no such
 * user, or the databases cannot be asked.
 */
export async function groupsOfUser(uid: number): Promise<readonly number[] | undefined> {
  assert(Number.isInteger(uid) && uid >= 0 && uid <= 0xffff_ffff, 'a uid has 32 bits');
  const memory = Buffer.from(new ArrayBuffer(entryBytes + 8 + textBytes));
  const start = addressOf(memory);
  const foundAt = entryBytes;
  const textAt = foundAt + 8;
  const failed = await onPool(memory, (done) =>
    getpwuid.async(uid, start, start + textAt, textBytes, start + foundAt, done),
  );
  if (failed !== 0 || memory.readBigUInt64LE(foundAt) === 0n) return undefined;
  const name = Number(memory.readBigUInt64LE(0));
  const gid = memory.readUInt32LE(gidAt);
  const groups = Buffer.from(new ArrayBuffer(4 + mostGroups * 4));
  groups.writeUInt32LE(mostGroups, 0);
  const into = addressOf(groups);
  // More than there is room for: those that there is room for.
  await onPool([memory, groups], (done) => getgrouplist.async(name, gid, into + 4, into, done));
  const count = Math.min(groups.readUInt32LE(0), mostGroups);
  return Array.from({ length: count }, (_, at) => groups.readUInt32LE(4 + at * 4));
}
