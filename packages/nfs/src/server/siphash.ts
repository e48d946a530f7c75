const mask = 0xffff_ffff;
const wordBytes = 8;

/** The last bytes of what is hashed, with its length. */
const tail = Buffer.alloc(wordBytes);

/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012) of the first `length` bytes with a key of 16: eight bytes that nobody finds who does not know the key. Words of 64 bits are halves of 32, in
 * variables alone: each call of a client has a handle, and a listing makes one for each name.
 */
export function sipHash(key: Buffer, bytes: Buffer, length: number, into: Buffer, at: number): void {
  const whole = Math.floor(length / wordBytes);
  for (let index = 0; index < wordBytes; index += 1) {
    const from = whole * wordBytes + index;
    tail[index] = from < length ? bytes[from]! : 0;
  }
  tail[7] = length & 0xff;
  const [keyL0, keyH0, keyL1, keyH1] = [
    key.readInt32LE(0),
    key.readInt32LE(4),
    key.readInt32LE(8),
    key.readInt32LE(12),
  ];
  let [l0, h0] = [keyL0 ^ 0x70736575, keyH0 ^ 0x736f6d65];
  let [l1, h1] = [keyL1 ^ 0x6e646f6d, keyH1 ^ 0x646f7261];
  let [l2, h2] = [keyL0 ^ 0x6e657261, keyH0 ^ 0x6c796765];
  let [l3, h3] = [keyL1 ^ 0x79746573, keyH1 ^ 0x74656462];
  // Behind the last word come four rounds more, which end it.
  for (let word = 0; word <= whole + 1; word += 1) {
    const isEnd = word > whole;
    const source = word < whole ? bytes : tail;
    const from = word < whole ? word * wordBytes : 0;
    const low = isEnd ? 0 : wordAt(source, from);
    const high = isEnd ? 0 : wordAt(source, from + 4);
    if (isEnd) l2 ^= 0xff;
    l3 ^= low;
    h3 ^= high;
    for (let rounds = isEnd ? 4 : 2; rounds > 0; rounds -= 1) {
      let sum = (l0 >>> 0) + (l1 >>> 0);
      h0 = (h0 + h1 + (sum > mask ? 1 : 0)) | 0;
      l0 = sum | 0;
      let turned = (l1 << 13) | (h1 >>> 19);
      h1 = ((h1 << 13) | (l1 >>> 19)) ^ h0;
      l1 = turned ^ l0;
      turned = l0;
      l0 = h0;
      h0 = turned;
      sum = (l2 >>> 0) + (l3 >>> 0);
      h2 = (h2 + h3 + (sum > mask ? 1 : 0)) | 0;
      l2 = sum | 0;
      turned = (l3 << 16) | (h3 >>> 16);
      h3 = ((h3 << 16) | (l3 >>> 16)) ^ h2;
      l3 = turned ^ l2;
      sum = (l0 >>> 0) + (l3 >>> 0);
      h0 = (h0 + h3 + (sum > mask ? 1 : 0)) | 0;
      l0 = sum | 0;
      turned = (l3 << 21) | (h3 >>> 11);
      h3 = ((h3 << 21) | (l3 >>> 11)) ^ h0;
      l3 = turned ^ l0;
      sum = (l2 >>> 0) + (l1 >>> 0);
      h2 = (h2 + h1 + (sum > mask ? 1 : 0)) | 0;
      l2 = sum | 0;
      turned = (l1 << 17) | (h1 >>> 15);
      h1 = ((h1 << 17) | (l1 >>> 15)) ^ h2;
      l1 = turned ^ l2;
      turned = l2;
      l2 = h2;
      h2 = turned;
    }
    l0 ^= low;
    h0 ^= high;
  }
  into.writeInt32LE(l0 ^ l1 ^ l2 ^ l3, at);
  into.writeInt32LE(h0 ^ h1 ^ h2 ^ h3, at + 4);
}

const wordAt = (bytes: Buffer, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
