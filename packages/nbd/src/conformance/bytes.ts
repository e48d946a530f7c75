export function u16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** 64 bits, big-endian; numbers must be exact integers. */
export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** A 32-bit length and then the string's UTF-8 bytes. */
export function countedString(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([u32(bytes.length), bytes]);
}

/** Bytes that differ from block to block and from seed to seed, none of them zero. */
export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let value = (seed * 2654435761 + 12345) >>> 0;
  for (let index = 0; index < length; index++) {
    value = (Math.imul(value, 1664525) + 1013904223) >>> 0;
    bytes[index] = (value >>> 24) | 1;
  }
  return bytes;
}

export const isZero = (bytes: Buffer): boolean => bytes.length === 0 || bytes.equals(Buffer.alloc(bytes.length));

/** Why `bytes` is no string of the document (Conventions), or undefined where it is one. */
export function stringFault(bytes: Buffer, maximum: number): string | undefined {
  if (bytes.length > maximum) return `is ${bytes.length} bytes long, more than ${maximum}`;
  if (bytes.includes(0)) return 'contains a NUL';
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return undefined;
  } catch {
    return 'is not UTF-8';
  }
}
