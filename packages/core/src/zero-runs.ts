const zeros = Buffer.alloc(65_536);

/** Whether the bytes of [from, to) are zeros. The first eight say of most that they are not. */
export function isZero(bytes: Uint8Array, from = 0, to: number = bytes.length): boolean {
  if (to - from >= 8) {
    const first = bytes[from]! | bytes[from + 1]! | bytes[from + 2]! | bytes[from + 3]!;
    const more = bytes[from + 4]! | bytes[from + 5]! | bytes[from + 6]! | bytes[from + 7]!;
    if ((first | more) !== 0) return false;
  }
  for (let at = from; at < to; at += zeros.length) {
    const end = Math.min(to, at + zeros.length);
    if (zeros.compare(bytes, at, end, 0, end - at) !== 0) return false;
  }
  return true;
}

/** Whether any of the blocks is zeros; the last one may be shorter than the others. */
export function hasZeroBlock(bytes: Uint8Array, blockBytes: number): boolean {
  for (let at = 0; at < bytes.length; at += blockBytes) {
    if (isZero(bytes, at, Math.min(bytes.length, at + blockBytes))) return true;
  }
  return false;
}

/** Blocks that follow each other and are all zeros, or none of them. Bytes of what they were found in. */
export type ZeroRun = { readonly isZero: boolean; readonly start: number; readonly end: number };

/** What of the bytes is zeros, in whole blocks, in their order; the last block may be shorter than the others. */
export function* zeroRuns(bytes: Uint8Array, blockBytes: number): Generator<ZeroRun> {
  for (let start = 0; start < bytes.length;) {
    let end = Math.min(bytes.length, start + blockBytes);
    const isZeros = isZero(bytes, start, end);
    while (end < bytes.length) {
      const next = Math.min(bytes.length, end + blockBytes);
      if (isZero(bytes, end, next) !== isZeros) break;
      end = next;
    }
    yield { isZero: isZeros, start, end };
    start = end;
  }
}
