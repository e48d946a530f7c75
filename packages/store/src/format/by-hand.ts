const mask = (1n << 64n) - 1n;
const primes = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;

const rotated = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (64n - bits))) & mask;
const round = (lane: bigint, word: bigint): bigint =>
  (rotated((lane + word * primes[1]) & mask, 31n) * primes[0]) & mask;

/**
 * The low 32 bits of XXH64 with seed 0, by the steps of xxHash's specification (doc/xxhash_spec.md): what the layouts are
 * held against, apart from the library in use.
 */
export function xxhByHand(bytes: Uint8Array): number {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  let sum: bigint = primes[4];
  if (bytes.length >= 32) {
    const lanes = [(primes[0] + primes[1]) & mask, primes[1], 0n, (mask + 1n - primes[0]) & mask];
    for (; at + 32 <= bytes.length; at += 32) {
      for (const [index, lane] of lanes.entries()) lanes[index] = round(lane, view.readBigUInt64LE(at + index * 8));
    }
    sum = lanes.reduce((all, lane, index) => all + rotated(lane, [1n, 7n, 12n, 18n][index]!), 0n) & mask;
    for (const lane of lanes) sum = ((sum ^ round(0n, lane)) * primes[0] + primes[3]) & mask;
  }
  sum = (sum + BigInt(bytes.length)) & mask;
  for (; at + 8 <= bytes.length; at += 8) {
    sum = (rotated(sum ^ round(0n, view.readBigUInt64LE(at)), 27n) * primes[0] + primes[3]) & mask;
  }
  for (; at + 4 <= bytes.length; at += 4) {
    sum = (rotated(sum ^ ((BigInt(view.readUInt32LE(at)) * primes[0]) & mask), 23n) * primes[1] + primes[2]) & mask;
  }
  for (; at < bytes.length; at += 1) {
    sum = (rotated(sum ^ ((BigInt(view.readUInt8(at)) * primes[4]) & mask), 11n) * primes[0]) & mask;
  }
  sum = ((sum ^ (sum >> 33n)) * primes[1]) & mask;
  sum = ((sum ^ (sum >> 29n)) * primes[2]) & mask;
  return Number((sum ^ (sum >> 32n)) & 0xffffffffn);
}

/** The bytes of hexadecimal digits written in groups, with zeros behind them up to `size`. */
export function fromHex(digits: string, size: number): Buffer {
  const given = Buffer.from(digits.replaceAll(/\s/g, ''), 'hex');
  return Buffer.concat([given, Buffer.alloc(size - given.length)]);
}

/** The same as one block, with its checksum at the end. */
export function sealedFromHex(digits: string): Buffer {
  const bytes = fromHex(digits, 4096);
  bytes.writeUInt32LE(xxhByHand(bytes.subarray(0, 4092)), 4092);
  return bytes;
}
