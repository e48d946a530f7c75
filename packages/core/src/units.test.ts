import test from 'ava';
import { AshlarError, alignDown, alignUp, formatSize, GiB, isPowerOfTwo, KiB, parseSize, TiB } from './index.ts';

test('a size is parsed with each suffix, in powers of 1024, whatever its case', (t) => {
  t.is(parseSize('512'), 512);
  t.is(parseSize('64k'), 64 * KiB);
  t.is(parseSize('10G'), 10 * GiB);
  t.is(parseSize('1.5TiB'), 1.5 * TiB);
  t.is(parseSize('10gb'), 10 * GiB);
});

test('what is not a size is refused with a sentence that shows one', (t) => {
  for (const text of ['', 'ten', '-1', '1X', '1e3', '0x10']) {
    const error = t.throws(() => parseSize(text), { instanceOf: AshlarError });
    t.is(error?.kind, 'invalid');
    t.regex(error?.message ?? '', /such as 10G/);
  }
});

test('a size above what a number keeps exactly is refused', (t) => {
  t.is(t.throws(() => parseSize('9999P'), { instanceOf: AshlarError })?.kind, 'invalid');
});

test('sizes are printed with three significant digits as qemu-img does', (t) => {
  t.is(formatSize(0), '0 B');
  t.is(formatSize(10 * GiB), '10 GiB');
  t.is(formatSize(1.7 * GiB), '1.7 GiB');
  t.is(formatSize(200 * KiB), '200 KiB');
  t.is(formatSize(1023 * KiB), '0.999 MiB');
});

test('alignment goes down and up to multiples and leaves multiples alone', (t) => {
  t.is(alignDown(8191, 4096), 4096);
  t.is(alignUp(4097, 4096), 8192);
  t.is(alignUp(8192, 4096), 8192);
  t.is(alignDown(2 ** 52 + 1, 4096), 2 ** 52);
});

test('of two sizes that are as near the even one is shown, as C does', (t) => {
  for (const [bytes, text] of [
    [150_016, '146 KiB'],
    [151_040, '148 KiB'],
    [19.25 * KiB, '19.2 KiB'],
    [19.75 * KiB, '19.8 KiB'],
    [1536, '1.5 KiB'],
    [0, '0 B'],
    [999, '999 B'],
    [1000, '0.977 KiB'],
  ] as const) {
    t.is(formatSize(bytes), text);
  }
});

test('powers of two are told from their neighbours', (t) => {
  for (let bit = 2; bit < 53; bit += 1) {
    t.true(isPowerOfTwo(2 ** bit));
    t.false(isPowerOfTwo(2 ** bit - 1));
    t.false(isPowerOfTwo(2 ** bit + 1));
  }
  t.deepEqual([1, 0, -2, 1.5].map(isPowerOfTwo), [true, false, false, false]);
});
