import { AshlarError } from '@ashlar/core';

export const mostNameBytes = 255;

const dot = 0x2e;
const slash = 0x2f;

export const isDot = (name: Uint8Array): boolean => name.length === 1 && name[0] === dot;
export const isDotDot = (name: Uint8Array): boolean => name.length === 2 && name[0] === dot && name[1] === dot;

/** Throws `invalid` for what no file is called, and `name-too-long`. */
export function checkName(name: Uint8Array): void {
  if (name.length > mostNameBytes) {
    throw new AshlarError('name-too-long', `a name has at most ${mostNameBytes} bytes, and not ${name.length}`);
  }
  if (name.length === 0) throw new AshlarError('invalid', 'a name is empty');
  if (name.includes(0) || name.includes(slash)) throw new AshlarError('invalid', 'a name has a zero or a slash in it');
}
