import {
  alignUp,
  KiB,
  type Clock,
  type FileAttributes,
  type FileState,
  type FileTime,
  type NewFileTime,
} from '@ashlar/core';
import type { Inode, InodeHead } from './inode.ts';

/** What used bytes are counted in. */
export const blockBytes = 4 * KiB;

const noDevice = { major: 0, minor: 0 } as const;

export function attributesOf(inode: InodeHead): FileAttributes {
  const { accessed, changed, device, gid, links, mode, modified, number, type, uid } = inode;
  const isDirectory = type === 'directory';
  return {
    type,
    mode,
    links,
    uid,
    gid,
    sizeBytes: isDirectory ? blockBytes : inode.sizeBytes,
    usedBytes: isDirectory ? blockBytes : inode.usedBytes,
    device: type === 'block' || type === 'character' ? device : noDevice,
    fileId: BigInt(number),
    accessed,
    modified,
    changed,
  };
}

export const stateOf = ({ changed, modified, sizeBytes, type }: Inode): FileState => ({
  sizeBytes: type === 'directory' ? blockBytes : sizeBytes,
  modified,
  changed,
});

/** Most that a file of a size may take. */
export const roomFor = (sizeBytes: number): number => alignUp(sizeBytes, blockBytes);

const nanosecondsPerSecond = 1_000_000_000;

const isLater = (one: FileTime, other: FileTime): boolean =>
  one.seconds > other.seconds || (one.seconds === other.seconds && one.nanoseconds > other.nanoseconds);

const next = ({ nanoseconds, seconds }: FileTime): FileTime =>
  nanoseconds + 1 < nanosecondsPerSecond
    ? { seconds, nanoseconds: nanoseconds + 1 }
    : { seconds: seconds + 1, nanoseconds: 0 };

/** Times of a tree, each later than the one before: a client sees by them that something changed. */
export class TreeClock {
  readonly #clock: Clock;
  #last: FileTime = { seconds: 0, nanoseconds: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Later than `than` as well, which another process may have given, by a clock that was set back since: then others' times do not follow it. */
  now(than: FileTime): FileTime {
    const ms = this.#clock.wallMs();
    const seconds = Math.floor(ms / 1000);
    const wall = { seconds, nanoseconds: Math.floor((ms - seconds * 1000) * 1_000_000) };
    this.#last = isLater(wall, this.#last) ? wall : next(this.#last);
    return isLater(this.#last, than) ? this.#last : next(than);
  }
}

export const newTime = (time: NewFileTime | undefined, before: FileTime, now: FileTime): FileTime =>
  time === undefined || time === 'keep' ? before : time === 'now' ? now : time;
