import { AshlarError } from './errors.ts';

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
export const TiB = 1024 * GiB;

/** Numbers carry offsets exactly up to here (8 PiB); larger ones are refused at the border. */
export const maxOffset = Number.MAX_SAFE_INTEGER;

const suffixes: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: KiB,
  m: MiB,
  g: GiB,
  t: TiB,
  p: 1024 * TiB,
};

/** Parses `10G`, `512`, `1.5TiB`, `64k` (powers of 1024, as qemu-img reads them) into bytes. Throws `invalid`. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgtp]?)(?:ib|b)?$/i.exec(text.trim());
  const unit = match === null ? undefined : suffixes[(match[2] ?? '').toLowerCase()];
  if (match === null || unit === undefined) {
    throw new AshlarError(
      'invalid',
      `'${text}' is not a size: write a number with K, M, G or T behind it, such as 10G`,
    );
  }
  const size = Math.round(Number(match[1]) * unit);
  if (!Number.isSafeInteger(size)) throw new AshlarError('invalid', `the size '${text}' is too large`);
  return size;
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Bytes as people read them: `10 GiB`, `1.7 GiB`, `512 B` (three significant digits, as qemu-img prints them). */
export function formatSize(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${threeDigits(value)} ${units[unit]}`;
}

/** As C's %.3g: of two that are as near the even one. */
function threeDigits(value: number): number {
  const scale = 10 ** (2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  const scaled = value * scale;
  if (Math.abs(scaled % 1) !== 0.5) return Number(value.toPrecision(3));
  return (2 * Math.round(scaled / 2)) / scale;
}

/** The greatest multiple of `unit` that is not above `value`. */
export function alignDown(value: number, unit: number): number {
  return value - (value % unit);
}

/** The least multiple of `unit` that is not below `value`. */
export function alignUp(value: number, unit: number): number {
  const rest = value % unit;
  return rest === 0 ? value : value + unit - rest;
}

/** Of whole numbers up to `maxOffset`. */
export const isPowerOfTwo = (value: number): boolean => value > 0 && 2 ** Math.round(Math.log2(value)) === value;
