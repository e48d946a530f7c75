const decoder = new TextDecoder('utf-8', { fatal: true });

/** A checksum as people compare them. */
export const hex = (checksum: number): string => checksum.toString(16).padStart(8, '0');

/** Numbers that follow each other as `first-last`, joined by commas. */
export function ranges(numbers: Iterable<number>): string {
  const found: string[] = [];
  let first = -1;
  let last = -2;
  const end = (): void => {
    if (first >= 0) found.push(first === last ? String(first) : `${first}-${last}`);
  };
  for (const number of numbers) {
    if (number !== last + 1) {
      end();
      first = number;
    }
    last = number;
  }
  end();
  return found.join(',');
}

/** The places of the bits that are set, the lowest bit of the first word being 0. */
export function* bitsOf(words: Iterable<number>, bitsEach: number): Generator<number> {
  let first = 0;
  for (const word of words) {
    for (let bit = 0; bit < bitsEach; bit += 1) if (((word >>> bit) & 1) === 1) yield first + bit;
    first += bitsEach;
  }
}

/** Bytes as they read: JSON as what it says, other text as text, and what is neither in base64. */
export function readable(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
