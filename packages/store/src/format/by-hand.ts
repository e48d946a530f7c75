/** CRC-32C (RFC 3720, appendix B.4) bit by bit: what the layouts are held against, apart from the library in use. */
export function crcByHand(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

/** The bytes of hexadecimal digits written in groups, with zeros behind them up to `size`. */
export function fromHex(digits: string, size: number): Buffer {
  const given = Buffer.from(digits.replaceAll(/\s/g, ''), 'hex');
  return Buffer.concat([given, Buffer.alloc(size - given.length)]);
}
