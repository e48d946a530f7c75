import { AshlarError, maxOffset, type Clock, type FileTree, type Random, type Scheduler } from '@ashlar/core';
import { closeDescriptor, openNameless, openDirectory, seekTo, statFileSystem, statOpen } from '@ashlar/host';
import { Callers } from './callers.ts';
import { DirectoryTree } from './directory-tree.ts';
import { done, fileError } from './errors.ts';
import type { Handles } from './handles.ts';
import { HandleTable } from './handle-table.ts';
import { KernelHandles } from './kernel-handles.ts';
import { OpenFile } from './open-file.ts';
import { OpenFiles } from './open-files.ts';
import type { TableRecords } from './table-rows.ts';
import { Unsynced } from './unsynced.ts';

export type OpenDirectoryOptions = {
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
  /** Keeps which handles are of which files, where the file system or the rights of the process do not let it do without. */
  readonly records: TableRecords;
  /** Of the directory, in those records: the same for ever, and no other's. */
  readonly key: Uint8Array;
  /** As if the kernel had no handles. */
  readonly withTable?: boolean;
};

/** Of ext4: other file systems have more, or as many. */
const mostLinks = 65_000;

/** The directory of a path as a tree. Throws `not-found`, `not-directory`, `denied`. */
export async function openDirectoryTree(path: string, options: OpenDirectoryOptions): Promise<FileTree> {
  const descriptor = openDirectory(Buffer.from(path));
  if (descriptor < 0)
    throw new AshlarError(fileError(-descriptor).kind, `the directory ${path} cannot be opened`, { path });
  try {
    return await treeOf(descriptor, options);
  } catch (error) {
    closeDescriptor(descriptor);
    throw error;
  }
}

async function treeOf(descriptor: number, options: OpenDirectoryOptions): Promise<FileTree> {
  const { clock, random, records, scheduler } = options;
  const stat = done(statOpen(descriptor));
  const hasKernelHandles = options.withTable !== true && KernelHandles.work(descriptor);
  const table = new HandleTable({ records, random, scheduler, key: options.key, root: { descriptor, stat } });
  const handles: Handles = hasKernelHandles ? new KernelHandles(descriptor) : table;
  const failed = (): void => tree.failed();
  const root = new OpenFile(await handles.of(descriptor, stat, undefined), descriptor, stat, failed);
  const unsynced = new Unsynced({ root: root.reader, scheduler, failed });
  const files = new OpenFiles({ root, handles, clock, scheduler, failed });
  const { isMemory, mostNameBytes } = done(statFileSystem(descriptor));
  const limits = {
    mostNameBytes,
    mostLinks,
    mostFileBytes: mostFileBytes(descriptor),
  };
  if (!hasKernelHandles) table.watch();
  const tree = new DirectoryTree({ files, callers: new Callers(), unsynced, limits, isMemory }, random);
  return tree;
}

/** Found by where a file without a name lets itself be looked at; as far as offsets go where there can be none. */
function mostFileBytes(directory: number): number {
  const descriptor = openNameless(directory);
  if (descriptor < 0) return maxOffset;
  let [most, beyond] = [0, maxOffset + 1];
  if (seekTo(descriptor, maxOffset) >= 0) most = maxOffset;
  while (beyond - most > 1 && most < maxOffset) {
    const middle = Math.floor(most + (beyond - most) / 2);
    if (seekTo(descriptor, middle) >= 0) most = middle;
    else beyond = middle;
  }
  closeDescriptor(descriptor);
  return most;
}
