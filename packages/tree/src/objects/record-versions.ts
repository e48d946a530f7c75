import { AshlarError } from '@ashlar/core';
import { prefix } from './keys.ts';

/**
 * Records as snapshots have them. Time is cut into epochs, and each snapshot ends one. A record says in which it was written; before it is changed in a later one than a snapshot's, what it was
 * goes under a key of its own, with the epoch of the newest snapshot. So a snapshot has of a key what is kept with the first epoch from its own on, or else the record itself, as far as that
 * was written no later than then.
 */
export const epochBytes = 4;
export const firstEpoch = 1;
const lastEpoch = 0xffff_ffff;

const versionBit = 0x80;

/** Whether earlier records of a key are kept: not of what no snapshot has. */
export const isVersioned = (key: Uint8Array): boolean => {
  const first = key[0] ?? versionBit;
  return first !== prefix.receipt && first < prefix.snapshot;
};

/** All keys of earlier records are from the first of these on, and before the second. */
export const versionKeys: readonly [Buffer, Buffer] = [Buffer.of(versionBit), Buffer.of(versionBit | prefix.snapshot)];

/** The key of what a record was up to an epoch. */
export function versionKey(key: Uint8Array, until: number): Buffer {
  const bytes = Buffer.alloc(key.length + epochBytes);
  bytes.set(key);
  bytes[0] = key[0]! | versionBit;
  bytes.writeUInt32BE(until, key.length);
  return bytes;
}

/** Keys of earlier records of one key, from an epoch on. */
export const versionsFrom = (key: Uint8Array, epoch: number): readonly [Buffer, Buffer] => [
  versionKey(key, epoch),
  Buffer.concat([versionKey(key, lastEpoch), Buffer.of(0)]),
];

/** Keys of earlier records of keys from one on. */
export function versionsBehind(key: Uint8Array): Buffer {
  const bytes = Buffer.from(key);
  bytes[0] = key[0]! | versionBit;
  return bytes;
}

/** The key that an earlier record is of. */
export function keyOfVersion(version: Uint8Array): Buffer {
  const bytes = Buffer.from(version.subarray(0, version.length - epochBytes));
  bytes[0] = bytes[0]! & ~versionBit;
  return bytes;
}

export const untilOfVersion = (version: Uint8Array): number =>
  Buffer.from(version.buffer, version.byteOffset, version.length).readUInt32BE(version.length - epochBytes);

/** A record with the epoch that it was written in. */
export function stamped(value: Uint8Array, epoch: number): Buffer {
  const bytes = Buffer.allocUnsafe(epochBytes + value.length);
  bytes.writeUInt32LE(epoch, 0);
  bytes.set(value, epochBytes);
  return bytes;
}

export function birthOf(record: Uint8Array): number {
  if (record.length < epochBytes) throw new AshlarError('corrupt', 'a record of the file tree is damaged');
  return Buffer.from(record.buffer, record.byteOffset, record.length).readUInt32LE(0);
}

export const valueIn = (record: Uint8Array): Uint8Array => record.subarray(epochBytes);
