import { AshlarError } from '@ashlar/core';

const powers = 'kmgtpe';

/** Bytes of what `-L` and the like are given: `10G`, `512` (MiB); units are powers of 1024 whether small or capital, `s` is of 512 bytes. Throws `invalid`. */
export function parseLvmSize(text: string): number {
  const [, digits, unit = 'm'] = /^(\d+(?:\.\d+)?)([bskmgtpe])?(?:ib)?$/i.exec(text) ?? [];
  const letter = unit.toLowerCase();
  const factor = letter === 'b' ? 1 : letter === 's' ? 512 : 1024 ** (powers.indexOf(letter) + 1);
  const bytes = Math.ceil(Number(digits) * factor);
  if (digits !== undefined && Number.isSafeInteger(bytes)) return bytes;
  throw new AshlarError('invalid', `'${text}' is not a size: write a number with a unit, such as 10G`);
}

/** A size that may be more than there is: `+10G`. */
export type SizeGiven = { readonly isMore: boolean; readonly bytes: number };

export function parseSizeGiven(text: string): SizeGiven {
  return { isMore: text.startsWith('+'), bytes: parseLvmSize(text.replace(/^\+/, '')) };
}

/** Of what a percentage is. */
export type Base = 'VG' | 'FREE' | 'PVS' | 'LV';

/** What `-l` is given: extents, or so many of a hundred of something. */
export type ExtentsGiven = { readonly isMore: boolean; readonly count: number; readonly percentOf: Base | undefined };

/** Throws `invalid`. */
export function parseExtents(text: string): ExtentsGiven {
  const [, sign, digits, base] = /^(\+)?(\d+)(?:%(VG|FREE|F|PVS|LV|V|L|P)\w*)?$/i.exec(text) ?? [];
  const count = Number(digits);
  if (digits === undefined || !Number.isSafeInteger(count)) {
    throw new AshlarError('invalid', `'${text}' is not a number of extents: write one, or such as 100%FREE or 50%VG`);
  }
  const named = (['VG', 'FREE', 'PVS', 'LV'] as const).find((each) => each.startsWith(base?.toUpperCase() ?? '-'));
  return { isMore: sign !== undefined, count, percentOf: named };
}
