import { AshlarError } from '@ashlar/core';

/**
 * An internal snapshot (QEMU, docs/interop/qcow2.txt, "Snapshots"), big endian: 0 L1 table's offset u64 · 8 its entries u32 · 12 length of the id u16
 * 14 of the name u16 · 16 seconds since 1970 u32 · 20 nanoseconds u32 · 24 the guest's clock u64, ns · 32 bytes of VM state u32 · 36 extra bytes u32
 * then extra: VM state bytes u64, size u64, instructions u64; then id, name; padded to 8.
 */
export type ImageSnapshot = {
  readonly id: string;
  readonly name: string;
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Of the guest, nanoseconds. */
  readonly guestClock: bigint;
  readonly vmStateBytes: number;
  readonly sizeBytes: number;
  /** Executed instructions; nothing where it is not known. */
  readonly instructions: bigint | undefined;
  /** What a later version says of it as well. */
  readonly unknown: Uint8Array;
  /** Bytes of the table until its end. */
  readonly endsAt: number;
};

const fixedBytes = 40;
const mostExtraBytes = 1024;
const knownExtraBytes = 24;
const noInstructions = 0xffff_ffff_ffff_ffffn;
const mostTableBytes = 1024 * mostExtraBytes * 64;
const mostL1Entries = (32 * 1024 * 1024) / 8;

/** Parses so many snapshots. `sizeBytes`: of the image, for those that do not say it. Throws `corrupt`. */
export function parseSnapshots(bytes: Buffer, count: number, sizeBytes: number, path: string): ImageSnapshot[] {
  const found: ImageSnapshot[] = [];
  const broken = (what: string): AshlarError =>
    new AshlarError('corrupt', `the snapshots of '${path}' are damaged: ${what}`, { path });
  let at = 0;
  for (let number = 1; number <= count; number += 1) {
    if (at + fixedBytes > bytes.length) throw broken(`the table ends before number ${number}`);
    const [idBytes, nameBytes, extraBytes] = [
      bytes.readUInt16BE(at + 12),
      bytes.readUInt16BE(at + 14),
      bytes.readUInt32BE(at + 36),
    ];
    if (extraBytes > mostExtraBytes) throw broken(`number ${number} has ${extraBytes} extra bytes`);
    const end = at + fixedBytes + extraBytes + idBytes + nameBytes;
    if (end > bytes.length) throw broken(`the table ends in number ${number}`);
    const l1Entries = bytes.readUInt32BE(at + 8);
    if (l1Entries > mostL1Entries) throw broken(`the L1 table of number ${number} has ${l1Entries} entries`);
    const extra = at + fixedBytes;
    const text = extra + extraBytes;
    found.push({
      id: bytes.toString('utf8', text, text + idBytes),
      name: bytes.toString('utf8', text + idBytes, end),
      l1Offset: numberIn(bytes.readBigUInt64BE(at), broken),
      l1Entries,
      seconds: bytes.readUInt32BE(at + 16),
      nanoseconds: bytes.readUInt32BE(at + 20),
      guestClock: bytes.readBigUInt64BE(at + 24),
      vmStateBytes: extraBytes >= 8 ? numberIn(bytes.readBigUInt64BE(extra), broken) : bytes.readUInt32BE(at + 32),
      sizeBytes: extraBytes >= 16 ? numberIn(bytes.readBigUInt64BE(extra + 8), broken) : sizeBytes,
      instructions: extraBytes >= 24 ? instructionsOf(bytes.readBigUInt64BE(extra + 16)) : undefined,
      unknown: Uint8Array.from(bytes.subarray(Math.min(text, extra + knownExtraBytes), text)),
      endsAt: end,
    });
    at = Math.ceil(end / 8) * 8;
  }
  return found;
}

/** The table of these. Throws `invalid` where it is longer than any may be. */
export function encodeSnapshots(snapshots: readonly ImageSnapshot[]): Buffer {
  const parts = snapshots.flatMap((snapshot) => {
    const [id, name] = [Buffer.from(snapshot.id), Buffer.from(snapshot.name)];
    const head = Buffer.alloc(fixedBytes + knownExtraBytes);
    head.writeBigUInt64BE(BigInt(snapshot.l1Offset), 0);
    head.writeUInt32BE(snapshot.l1Entries, 8);
    head.writeUInt16BE(id.length, 12);
    head.writeUInt16BE(name.length, 14);
    head.writeUInt32BE(snapshot.seconds, 16);
    head.writeUInt32BE(snapshot.nanoseconds, 20);
    head.writeBigUInt64BE(snapshot.guestClock, 24);
    head.writeUInt32BE(snapshot.vmStateBytes > 0xffff_ffff ? 0 : snapshot.vmStateBytes, 32);
    head.writeUInt32BE(knownExtraBytes + snapshot.unknown.length, 36);
    head.writeBigUInt64BE(BigInt(snapshot.vmStateBytes), fixedBytes);
    head.writeBigUInt64BE(BigInt(snapshot.sizeBytes), fixedBytes + 8);
    head.writeBigUInt64BE(snapshot.instructions ?? noInstructions, fixedBytes + 16);
    const bytes = Buffer.concat([head, snapshot.unknown, id, name]);
    return [bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)];
  });
  // As QEMU: behind the last one nothing is filled up.
  const table = Buffer.concat(parts.slice(0, -1));
  if (table.length <= mostTableBytes) return table;
  throw new AshlarError('invalid', `the table of ${snapshots.length} snapshots is too long`);
}

/** The greatest table of so many snapshots. */
export const snapshotTableBytes = (count: number): number =>
  Math.min(mostTableBytes, count * (fixedBytes + mostExtraBytes + 2 * 65_535 + 8));

function instructionsOf(value: bigint): bigint | undefined {
  return value === noInstructions ? undefined : value;
}

function numberIn(value: bigint, broken: (what: string) => AshlarError): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw broken(`a number in it is ${value}`);
  return Number(value);
}
