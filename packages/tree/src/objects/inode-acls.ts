import type { Acl, AclEntry } from '@ashlar/core';
import { aclTags, type KeptAcls } from '../acl.ts';

export const aclEntryBytes = 6;

/** Of each entry, those of the file's own list first: the place of its tag u8, permissions u8, id u32 little endian. */
export function encodeAcls({ access, inherited }: KeptAcls): Buffer {
  const all = [...access, ...inherited];
  const bytes = Buffer.alloc(all.length * aclEntryBytes);
  for (const [index, { id, permissions, tag }] of all.entries()) {
    const at = index * aclEntryBytes;
    bytes[at] = aclTags.indexOf(tag);
    bytes[at + 1] = permissions;
    bytes.writeUInt32LE(id, at + 2);
  }
  return bytes;
}

/** Nothing where they cannot be. `own`: how many are of the file's own list. */
export function decodeAcls(bytes: Buffer, own: number): KeptAcls | undefined {
  const all: AclEntry[] = [];
  for (let at = 0; at < bytes.length; at += aclEntryBytes) {
    const tag = aclTags[bytes[at]!];
    const permissions = bytes[at + 1]!;
    if (tag === undefined || permissions > 7) return undefined;
    all.push({ tag, permissions, id: bytes.readUInt32LE(at + 2) });
  }
  const access: Acl = all.slice(0, own);
  return { access, inherited: all.slice(own) };
}
