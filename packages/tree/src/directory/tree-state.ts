import { AshlarError, type Credentials, type FileAttributes, type FileChange, type TreeLimits } from '@ashlar/core';
import { accessMode, accessOpen } from '@ashlar/host';
import { attributesOf } from './attributes.ts';
import type { Callers } from './callers.ts';
import { fileError } from './errors.ts';
import type { OpenFile } from './open-file.ts';
import type { OpenFiles } from './open-files.ts';
import type { Unsynced } from './unsynced.ts';

/** What the operations of a tree share. */
export type TreeState = {
  readonly files: OpenFiles;
  readonly callers: Callers;
  readonly unsynced: Unsynced;
  readonly limits: TreeLimits;
  /** Reading never waits for a disk. */
  readonly isMemory: boolean;
};

/**
 * A change as it is told: without what was before, as nobody can say what other programs of the machine did between a look and a change. A client that was told so
 * would take their changes for its own.
 */
export const changeTo = (after: FileAttributes): FileChange => ({ before: undefined, after });

/** A directory whose names were changed, as it is now. */
export function changedDirectory({ unsynced }: TreeState, directory: OpenFile): FileChange {
  unsynced.changed(directory);
  return changeTo(attributesOf(directory.stat()));
}

/** Within `Callers.as`: throws where a caller who does not own an open file may neither read it nor execute it. */
export function checkRead(file: OpenFile): void {
  const { execute, read } = accessMode;
  const result = accessOpen(file.place, read);
  if (result < 0 && accessOpen(file.place, execute) < 0) throw fileError(-result);
}

/** The same of writing. Whoever owns a file may read and write it, as clients expect that checked it when it was opened. */
export function checkWrite(file: OpenFile, who: Credentials): void {
  const result = accessOpen(file.place, accessMode.write);
  if (result < 0 && file.stat().uid !== who.uid) throw fileError(-result);
}

/** What only regular files have. */
export function checkRegular(file: OpenFile): void {
  if (file.isDirectory) throw new AshlarError('is-directory', 'the file is a directory');
  if (file.type !== 'regular') throw new AshlarError('invalid', 'the file has no bytes of its own');
}
