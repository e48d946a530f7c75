import { lastErrno, libc } from './libc.ts';

// The library has no functions of these.
const call: (number: number, head: Uint8Array, sets: Uint8Array) => number = libc.func(
  'long syscall(long number, void *head, void *sets)',
);

const [SYS_capget, SYS_capset] = process.arch === 'arm64' ? [90, 91] : [125, 126];
const _LINUX_CAPABILITY_VERSION_3 = 0x2008_0522;
const CAP_SYS_RESOURCE = 24;

/** Version and thread, 32 bits each; 0: this one. */
const head = Buffer.alloc(8);
head.writeUInt32LE(_LINUX_CAPABILITY_VERSION_3, 0);
/** Of the lower 32 capabilities, then of the others: which are effective, permitted and inherited. */
const sets = Buffer.alloc(24);

/** This thread is bound by quotas and by what a file system keeps back for root, as those are for whom it acts: 0, or minus errno. */
export function obeyLimits(): number {
  if (call(SYS_capget!, head, sets) < 0) return -lastErrno();
  sets.writeUInt32LE((sets.readUInt32LE(0) & ~(1 << CAP_SYS_RESOURCE)) >>> 0, 0);
  return call(SYS_capset!, head, sets) < 0 ? -lastErrno() : 0;
}
