import type { FileAttributes, FileType } from '@ashlar/core';
import type { FileStat } from '@ashlar/host';

const typeBits = 0o170000;

/** Types as the system has them in a mode (sys/stat.h). */
const types: ReadonlyMap<number, FileType> = new Map([
  [0o100000, 'regular'],
  [0o040000, 'directory'],
  [0o060000, 'block'],
  [0o020000, 'character'],
  [0o120000, 'link'],
  [0o140000, 'socket'],
  [0o010000, 'fifo'],
]);

export const typeOf = ({ mode }: FileStat): FileType => types.get(mode & typeBits) ?? 'regular';

/** What a mode has of a type; 0 of one that MKNOD does not make. */
export function nodeBits(type: FileType): number {
  if (type === 'regular' || type === 'directory' || type === 'link') return 0;
  for (const [bits, each] of types) if (each === type) return bits;
  return 0;
}

const noDevice = { major: 0, minor: 0 } as const;

export function attributesOf(stat: FileStat): FileAttributes {
  const { accessed, changed, device, gid, inode, links, mode, modified, sizeBytes, uid, usedBytes } = stat;
  const type = typeOf(stat);
  return {
    type,
    mode: mode & 0o7777,
    links,
    uid,
    gid,
    sizeBytes,
    usedBytes,
    device: type === 'block' || type === 'character' ? device : noDevice,
    fileId: inode,
    accessed,
    modified,
    changed,
  };
}
