import { parseSize } from '@ashlar/core';

/** What a request gives as a size, in bytes. Throws `invalid`. */
export const sizeOf = (value: number | string): number => (typeof value === 'number' ? value : parseSize(value));
