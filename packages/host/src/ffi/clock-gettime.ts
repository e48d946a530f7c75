import { libc } from './libc.ts';

const clockGettime: (clock: number, into: Uint32Array) => number = libc.func(
  'int clock_gettime(int clock, _Out_ void *into)',
);

const CLOCK_BOOTTIME = 7;

/** struct timespec: two 64-bit words, seconds and nanoseconds, the low half first. */
const time = new Uint32Array(4);

/** Milliseconds since the machine started, its sleep counted. */
export function bootTimeMs(): number {
  clockGettime(CLOCK_BOOTTIME, time);
  return (time[1]! * 2 ** 32 + time[0]!) * 1000 + time[2]! / 1e6;
}
