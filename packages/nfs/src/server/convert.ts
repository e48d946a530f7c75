import type { FileAttributes, FileChange, FileTime, FileType, Stability } from '@ashlar/core';
import { fileType, stability } from '../codec/constants.ts';
import type { Attributes, Change, Time } from '../codec/types.ts';

const types: Readonly<Record<FileType, number>> = {
  regular: fileType.regular,
  directory: fileType.directory,
  block: fileType.block,
  character: fileType.character,
  link: fileType.link,
  socket: fileType.socket,
  fifo: fileType.fifo,
};

/** Of what MKNOD makes, and of what it does not. */
export const typeNumbered = (number: number): FileType =>
  (Object.keys(types) as FileType[]).find((type) => types[type] === number) ?? 'regular';

const mostSeconds = 0xffff_ffff;

/** Times on the wire end in 2106, and begin in 1970. */
const timeOf = ({ nanoseconds, seconds }: FileTime): Time => ({
  seconds: Math.min(mostSeconds, Math.max(0, seconds)),
  nanoseconds,
});

export function attributesOn(fileSystem: bigint, attributes: FileAttributes): Attributes {
  const { accessed, changed, device, fileId, gid, links, mode, modified, sizeBytes, type, uid, usedBytes } = attributes;
  return {
    type: types[type],
    mode,
    links,
    uid,
    gid,
    sizeBytes,
    usedBytes,
    device,
    fileSystem,
    fileId,
    accessed: timeOf(accessed),
    modified: timeOf(modified),
    changed: timeOf(changed),
  };
}

export function changeOn(fileSystem: bigint, { after, before }: FileChange): Change {
  return {
    before:
      before === undefined
        ? undefined
        : { sizeBytes: before.sizeBytes, modified: timeOf(before.modified), changed: timeOf(before.changed) },
    after: after === undefined ? undefined : attributesOn(fileSystem, after),
  };
}

const stabilities: readonly Stability[] = ['unstable', 'data', 'file'];

export const stabilityNumbered = (number: number): Stability => stabilities[number] ?? 'file';
export const stabilityNumber: Readonly<Record<Stability, number>> = {
  unstable: stability.unstable,
  data: stability.data,
  file: stability.file,
};
