export const blockBytes = 4096;

/** Blocks that each bear the number of the write that they are of and their own, so that whatever is found tells where it is from. Version 0 is zeros. */
export function contents(version: number, first: number, count: number): Uint8Array {
  const words = new Uint32Array((count * blockBytes) / 4);
  if (version === 0) return new Uint8Array(words.buffer);
  for (let index = 0; index < words.length; index += 2) {
    words[index] = version;
    words[index + 1] = first + Math.floor((index * 4) / blockBytes);
  }
  return new Uint8Array(words.buffer);
}

/** The version that a whole block bears, or undefined for a mixture and for a block of another place. */
export function versionIn(bytes: Uint8Array, index: number): number | undefined {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, blockBytes / 4);
  const version = words[0]!;
  const place = version === 0 ? 0 : index;
  for (let at = 0; at < words.length; at += 2) {
    if (words[at] !== version || words[at + 1] !== place) return undefined;
  }
  return version;
}
