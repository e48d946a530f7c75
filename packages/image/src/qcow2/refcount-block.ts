/**
 * Refcounts in a block of them (QEMU, docs/interop/qcow2.txt, "Host cluster management"): of 1, 2 or 4 bits from the least significant bits of a byte on,
 * of 8 to 64 bits big endian.
 */
export function refcountAt(block: Buffer, index: number, bits: number): number {
  switch (bits) {
    case 8:
      return block[index]!;
    case 16:
      return block.readUInt16BE(index * 2);
    case 32:
      return block.readUInt32BE(index * 4);
    case 64:
      return Number(block.readBigUInt64BE(index * 8));
    default: {
      const each = 8 / bits;
      return (block[Math.floor(index / each)]! >>> ((index % each) * bits)) & (2 ** bits - 1);
    }
  }
}

export function putRefcount(block: Buffer, index: number, bits: number, count: number): void {
  switch (bits) {
    case 8:
      block[index] = count;
      return;
    case 16:
      block.writeUInt16BE(count, index * 2);
      return;
    case 32:
      block.writeUInt32BE(count, index * 4);
      return;
    case 64:
      block.writeBigUInt64BE(BigInt(count), index * 8);
      return;
    default: {
      const each = 8 / bits;
      const at = Math.floor(index / each);
      const shift = (index % each) * bits;
      block[at] = (block[at]! & ~((2 ** bits - 1) << shift)) | (count << shift);
    }
  }
}

/** The most that so many bits hold; exact where numbers are. */
export const mostRefcount = (bits: number): number => (bits >= 53 ? Number.MAX_SAFE_INTEGER : 2 ** bits - 1);
