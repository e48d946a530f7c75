import { AshlarError, type FileHandle } from '@ashlar/core';
import { closeDescriptor, errno, kernelHandleOf, openKernelHandle, type FileStat } from '@ashlar/host';
import { done } from './errors.ts';
import { encodeHandle, gone, headBytes, mostInnerBytes, type Handles } from './handles.ts';

const kind = 1;
/** Of what the kernel calls a type there are less: it keeps room for flags above. */
const mostType = 0xff;

/** Handles that have in them what the kernel names a file by: its inode and generation, as its file system has it. */
export class KernelHandles implements Handles {
  readonly #root: number;

  /** `root`: a descriptor of the exported directory. */
  constructor(root: number) {
    this.#root = root;
  }

  /** Whether the file system has such handles, short enough, and this process may open files by them. */
  static work(root: number): boolean {
    const handle = kernelHandleOf(root);
    if (typeof handle === 'number') return false;
    if (handle.bytes.length > mostInnerBytes || handle.type < 0 || handle.type > mostType) return false;
    const opened = openKernelHandle(root, handle);
    if (opened < 0) return false;
    closeDescriptor(opened);
    return true;
  }

  isOne(handle: FileHandle): boolean {
    return handle[0] === kind && handle.length > headBytes;
  }

  of(descriptor: number, { inode }: FileStat): FileHandle {
    const { bytes, type } = done(kernelHandleOf(descriptor));
    return encodeHandle(kind, type, inode, bytes);
  }

  open(handle: FileHandle): number {
    const bytes = Buffer.from(handle.subarray(headBytes));
    const opened = openKernelHandle(this.#root, { type: handle[1]!, bytes });
    if (opened === -errno.EINVAL) throw new AshlarError('bad-handle', 'the file system knows no such handle');
    if (opened === -errno.ENOENT) throw gone();
    return done(opened);
  }

  expect(): void {
    // A handle goes wherever its file goes.
  }

  moved(): void {
    // It is the same file.
  }

  forget(): void {
    // The kernel tells the next file of its inode apart.
  }

  close(): void {
    // Nothing is kept.
  }
}
