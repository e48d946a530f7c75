import { AT_EMPTY_PATH, emptyString } from './c-string.ts';
import { errno } from './errno.ts';
import { lastErrno, libc } from './libc.ts';

const nameToHandle: (
  directory: number,
  name: Uint8Array,
  handle: Uint8Array,
  mount: Uint8Array,
  flags: number,
) => number = libc.func('int name_to_handle_at(int directory, const void *name, void *handle, void *mount, int flags)');
const openByHandle: (mount: number, handle: Uint8Array, flags: number) => number = libc.func(
  'int open_by_handle_at(int mount, void *handle, int flags)',
);

const O_PATH = 0o10000000;
const O_NOFOLLOW = 0o400000;
const O_CLOEXEC = 0o2000000;

/** MAX_HANDLE_SZ (linux/exportfs.h), behind its size and type, 32 bits each. */
const mostBytes = 128;
const headBytes = 8;
const scratch = Buffer.alloc(headBytes + mostBytes);
const mount = Buffer.alloc(8);

/** The kernel's own handle of a file. */
export type KernelHandle = { readonly type: number; readonly bytes: Buffer };

/** Of an open file, whatever it was opened for; or minus errno (EOPNOTSUPP: its file system has none). */
export function kernelHandleOf(descriptor: number): KernelHandle | number {
  scratch.writeUInt32LE(mostBytes, 0);
  if (nameToHandle(descriptor, emptyString, scratch, mount, AT_EMPTY_PATH) < 0) return -lastErrno();
  const length = scratch.readUInt32LE(0);
  return { type: scratch.readInt32LE(4), bytes: Buffer.from(scratch.subarray(headBytes, headBytes + length)) };
}

/** A descriptor that names the file of a handle, on the file system that a file is on which is open to be read; or minus errno (ESTALE: it is gone, EPERM: this process may not). */
export function openKernelHandle(on: number, { bytes, type }: KernelHandle): number {
  if (bytes.length > mostBytes) return -errno.EINVAL;
  scratch.writeUInt32LE(bytes.length, 0);
  scratch.writeInt32LE(type, 4);
  scratch.set(bytes, headBytes);
  const descriptor = openByHandle(on, scratch, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  return descriptor < 0 ? -lastErrno() : descriptor;
}
