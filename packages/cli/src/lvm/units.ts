import { AshlarError } from '@ashlar/core';

/** How sizes are shown, as LVM's `--units` says. */
export type Units = {
  /** LVM's letter; `U` for a unit of one's own. */
  readonly letter: string;
  /** Bytes of the unit; undefined: each size has the one that suits it. */
  readonly factor: number | undefined;
  readonly suffix: boolean;
};

const binary = 'bkmgtpe';
const sectorBytes = 512;

export const readable: Units = { letter: 'r', factor: undefined, suffix: true };

function factorOf(letter: string): number | undefined {
  if (letter === 's' || letter === 'S') return sectorBytes;
  const at = binary.indexOf(letter.toLowerCase());
  if (at < 0) return undefined;
  return letter === letter.toLowerCase() ? 1024 ** at : 1000 ** at;
}

/** Parses `--units`: r, h, b, s, k, m, g, t, p, e, or capital letters for powers of 1000, with a number before them. Throws `invalid`. */
export function parseUnits(text: string): Units {
  const [, count, letter = ''] = /^(\d+(?:\.\d+)?)?([a-z])$/i.exec(text) ?? [];
  if (count === undefined && 'rRhH'.includes(letter) && letter !== '') {
    return { letter, factor: undefined, suffix: true };
  }
  const factor = factorOf(letter);
  if (factor === undefined) throw new AshlarError('invalid', `Invalid units specification '${text}'`);
  if (count === undefined) return { letter: letter.toUpperCase() === 'B' ? 'B' : letter, factor, suffix: true };
  const own = Number(count) * factor;
  if (own >= 1) return { letter: 'U', factor: own, suffix: true };
  throw new AshlarError('invalid', `Invalid units specification '${text}'`);
}

const short = { 1024: ['', 'k', 'm', 'g', 't', 'p', 'e'], 1000: ['', 'K', 'M', 'G', 'T', 'P', 'E'] } as const;
const long = {
  1024: [' B  ', ' KiB', ' MiB', ' GiB', ' TiB', ' PiB', ' EiB'],
  1000: [' B ', ' kB', ' MB', ' GB', ' TB', ' PB', ' EB'],
} as const;
const longOwn: Readonly<Record<string, string>> = { B: ' B ', S: ' Se', U: ' Un' };

/** A size as LVM's reports have it (`<9.77g`), or as its displays have it (`<9.77 GiB`). */
export function sizeText(bytes: number, units: Units, form: 'short' | 'long' = 'short'): string {
  return units.factor === undefined ? suiting(bytes, units, form) : inUnit(bytes, units.factor, units, form);
}

function suiting(bytes: number, { letter }: Units, form: 'short' | 'long'): string {
  const base = letter === 'R' || letter === 'H' ? 1000 : 1024;
  if (bytes === 0) return form === 'short' ? '0 ' : '0   ';
  let at = 6;
  while (at > 0 && bytes < base ** at) at -= 1;
  const value = bytes / base ** at;
  const hundredth = value * 100;
  const isCautious = (letter === 'r' || letter === 'R') && at > 0;
  // Rounding up would say more than there is.
  const prefix = isCautious && Math.abs(Math.floor(hundredth) - nearest(hundredth)) > 1e-6 ? '<' : '';
  const suffix = form === 'long' ? long[base][at]! : at === 0 ? (base === 1024 ? 'b' : 'B') : short[base][at]!;
  return `${prefix}${value.toFixed(at === 0 ? 0 : 2)}${suffix}`;
}

function inUnit(bytes: number, factor: number, { letter, suffix }: Units, form: 'short' | 'long'): string {
  const isWhole = 'BbSs'.includes(letter);
  const at = binary.indexOf(letter.toLowerCase());
  const base = letter === letter.toLowerCase() ? 1024 : 1000;
  const own = letter in longOwn || letter === 's';
  const word =
    form === 'short'
      ? letter.toUpperCase() === 'B' || letter.toUpperCase() === 'S'
        ? letter.toUpperCase()
        : letter
      : own
        ? longOwn[letter.toUpperCase()]!
        : long[base][at]!;
  if (bytes === 0) return `0${suffix ? word : ''}`;
  return `${(bytes / factor).toFixed(isWhole ? 0 : 2)}${suffix ? word : ''}`;
}

/** To the nearest whole number; of two that are as near the even one. */
function nearest(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
