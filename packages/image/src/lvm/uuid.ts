import type { Random } from '@ashlar/core';

/** LVM's identifiers: 32 characters, written with hyphens behind the 6th, and each 4th from there to the 26th. */
const groups = [6, 4, 4, 4, 4, 4, 6];
const characters = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** As a label has it: 32 characters. As texts and people have it: with hyphens. */
export function withHyphens(plain: string): string {
  let at = 0;
  return groups.map((length) => plain.slice(at, (at += length))).join('-');
}

export const withoutHyphens = (id: string): string => id.replaceAll('-', '');

export const isUuid = (text: string): boolean =>
  /^[0-9a-zA-Z!#]{6}(?:-[0-9a-zA-Z!#]{4}){5}-[0-9a-zA-Z!#]{6}$/.test(text);

export function newUuid(random: Random): string {
  return withHyphens(Array.from({ length: 32 }, () => characters[random.below(characters.length)]).join(''));
}
