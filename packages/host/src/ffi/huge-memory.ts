import { assert, MiB } from '@ashlar/core';
import { view } from 'koffi';
import type { KoffiFunc } from 'koffi';
import { lastErrno, libc } from './libc.ts';
import { addressOf } from './memory.ts';
import { onPool } from './pool-calls.ts';

const map: (address: number, length: number, protection: number, flags: number, fd: number, offset: number) => number =
  libc.func('intptr_t mmap(uintptr_t address, size_t length, int protection, int flags, int fd, int64_t offset)');
const unmap: (address: number, length: number) => number = libc.func('int munmap(uintptr_t address, size_t length)');
const advise: KoffiFunc<(address: number, length: number, advice: number) => number> = libc.func(
  'int madvise(uintptr_t address, size_t length, int advice)',
);

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const MADV_HUGEPAGE = 14;
const MADV_POPULATE_WRITE = 23;

/** The processor's large page on x86-64 and, with pages of 4 KiB, on arm64. */
export const hugePageBytes = 2 * MiB;

/** Given back when nothing refers to the buffer any more. */
const mapped = new FinalizationRegistry<{ readonly start: number; readonly length: number }>(({ start, length }) => {
  unmap(start, length);
});

/**
 * Zeroed memory in the processor's large pages, where the kernel has them to give: a direct transfer of 1 MiB is then one or
 * two runs of memory for the device and not 256, the first touch of each costs one fault for 512, and a copy to or from a
 * random place misses the translation cache less. `length` is a multiple of `hugePageBytes`.
 */
export function mapHuge(length: number): Uint8Array {
  assert(length > 0 && length % hugePageBytes === 0, 'memory is mapped in large pages');
  const roomy = length + hugePageBytes;
  const start = map(0, roomy, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (start === -1) throw new RangeError(`there is no memory for ${length} bytes: errno ${lastErrno()}`);
  const aligned = Math.ceil(start / hugePageBytes) * hugePageBytes;
  if (aligned > start) unmap(start, aligned - start);
  const behind = aligned + length;
  if (behind < start + roomy) unmap(behind, start + roomy - behind);
  // A kernel without large pages says no: small ones do as well.
  advise(aligned, length, MADV_HUGEPAGE);
  const buffer = view(BigInt(aligned), length);
  mapped.register(buffer, { start: aligned, length });
  return new Uint8Array(buffer);
}

/**
 * Has the kernel bring memory of `mapHuge` to be at once, on the thread pool: to do so at the first touch would hold the thread
 * for as long as zeroing takes. A kernel that cannot (before 5.14) does it at the first touch.
 */
export async function populate(memory: Uint8Array): Promise<void> {
  const start = addressOf(memory);
  await onPool(memory, (done) => advise.async(start, memory.byteLength, MADV_POPULATE_WRITE, done));
}
