import { KiB, MiB, type BlockDevice, type Settled } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { openLocked } from '../lock.ts';
import type { FilePlace } from './map.ts';

/** Where a copy goes. Whoever writes owns the bytes until that settles. */
export type CopyTarget = {
  /** What is not written reads as zeros already. */
  readonly isZero: boolean;
  /** Writes begin at multiples of it, and end at such or at the end. */
  readonly unitBytes: number;
  /** What is best written at once. */
  readonly pieceBytes: number;
  /** What it makes of writes is better where they come in the order of their offsets. */
  readonly isOrdered: boolean;
  write(offset: number, from: Uint8Array): Settled<void>;
  zero(offset: number, length: number): Settled<void>;
  /** Lets the system copy, where both lie in files that it can do that with: `unsupported` else. Where the file ends there are zeros. */
  copyFrom?(place: FilePlace, offset: number, length: number): Promise<void>;
  /** What was written is there for whoever opens it next; `durable`: also after a loss of power. */
  finish(durable: boolean): Settled<void>;
  /** Behind `finish`, or in its place. */
  close(): Settled<void>;
};

/**
 * Larger writes to a file are no faster, and far slower on a virtual machine: the page cache takes pages as large as they are, which the machine must be
 * given anew.
 */
export const filePieceBytes = 256 * KiB;

/** A device. `isZero`: nothing was ever written to it. */
export function deviceTarget(device: BlockDevice, isZero: boolean): CopyTarget {
  return {
    isZero,
    unitBytes: 1,
    pieceBytes: MiB,
    isOrdered: true,
    write: (offset, from) => device.write(offset, from, false),
    zero: (offset, length) => (isZero ? undefined : device.zero(offset, length, 'may-trim', false)),
    finish: (durable) => (durable ? device.flush() : undefined),
    close: () => device.close(),
  };
}

/** A raw file that was made just now: it is written off the thread. */
export function rawTarget(host: Host, path: string): CopyTarget {
  const file = openLocked(host, path, 'write');
  return {
    isZero: true,
    unitBytes: 1,
    pieceBytes: filePieceBytes,
    isOrdered: false,
    write: (offset, from) => file.writeOffThread(offset, from),
    zero: () => undefined,
    copyFrom: async (place, offset, length) => void (await file.copyFrom(place.file, place.offset, offset, length)),
    finish: (durable) => (durable ? file.sync() : undefined),
    close: () => file.close(),
  };
}
