import { cString } from './c-string.ts';
import { lastErrno, libc } from './libc.ts';

const call: (directory: number, name: Uint8Array, mode: number, device: bigint) => number = libc.func(
  'int mknodat(int directory, const void *name, unsigned int mode, uint64_t device)',
);

/** As glibc's makedev has them (sys/sysmacros.h). */
function deviceOf({ major, minor }: { readonly major: number; readonly minor: number }): bigint {
  const [high, low] = [BigInt(major >>> 0), BigInt(minor >>> 0)];
  return ((high & 0xffff_f000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffff_ff00n) << 12n) | (low & 0xffn);
}

/** Makes a device, socket or fifo, as the type in `mode` says: 0, or minus errno. */
export const makeNodeAt = (
  directory: number,
  name: Uint8Array,
  mode: number,
  device: { readonly major: number; readonly minor: number },
): number => (call(directory, cString(name), mode, deviceOf(device)) < 0 ? -lastErrno() : 0);
