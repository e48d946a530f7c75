import {
  andThen,
  AshlarError,
  type ChangeRequest,
  type Credentials,
  type FileChange,
  type FileHandle,
  type FileTime,
  type NewFileAttributes,
  type NewFileTime,
  type Settled,
} from '@ashlar/core';
import { accessMode, accessOpen, cutOpen, modeOpen, ownOpen, timeOpen, type FileStat } from '@ashlar/host';
import { withoutIds } from '../permissions.ts';
import { attributesOf } from './attributes.ts';
import { done, fileError } from './errors.ts';
import type { OpenFile } from './open-file.ts';
import { changeTo, checkRegular, checkWrite, type TreeState } from './tree-state.ts';

export function setAttributesOf(
  state: TreeState,
  handle: FileHandle,
  attributes: NewFileAttributes,
  guard: FileTime | undefined,
  { who }: ChangeRequest<FileChange>,
): Settled<FileChange> {
  return andThen(state.files.find(handle), (file) => {
    const stat = file.stat();
    const { nanoseconds, seconds } = stat.changed;
    if (guard !== undefined && (guard.seconds !== seconds || guard.nanoseconds !== nanoseconds)) {
      throw new AshlarError('out-of-sync', 'the file was changed since');
    }
    applyAttributes(state, file, stat, attributes, who);
    state.unsynced.changed(file);
    return changeTo(attributesOf(file.stat()));
  });
}

/** As the caller; `stat`: what the file is before. What a caller may not do at all is found out before anything is done. */
export function applyAttributes(
  { callers, limits }: TreeState,
  file: OpenFile,
  stat: FileStat,
  { accessed = 'keep', gid, mode, modified = 'keep', sizeBytes, uid }: NewFileAttributes,
  who: Credentials,
): void {
  if (sizeBytes !== undefined) {
    checkRegular(file);
    if (sizeBytes > limits.mostFileBytes) throw new AshlarError('too-big', 'a file cannot be so large');
  }
  const writer = sizeBytes === undefined ? undefined : file.writer;
  const isGiven = uid !== undefined || gid !== undefined;
  const isAsked = isGiven || mode !== undefined || writer !== undefined;
  const set = (): void => {
    if (writer !== undefined) checkWrite(file, who);
    if (isGiven) done(ownOpen(file.place, uid, gid));
    // Links have no mode of their own.
    if (mode !== undefined && file.type !== 'link') {
      done(modeOpen(file.place, isGiven && !file.isDirectory ? withoutIds(mode) : mode));
    }
    if (writer !== undefined) done(cutOpen(writer.number, sizeBytes!));
  };
  if (isAsked) callers.as(who, set);
  if (accessed !== 'keep' || modified !== 'keep') setTimes(callers, file, stat, { accessed, modified }, who);
}

/** Who may write to a file may say that it was used now; only its owner says when else. */
function setTimes(
  callers: TreeState['callers'],
  file: OpenFile,
  { uid }: FileStat,
  { accessed, modified }: { readonly accessed: NewFileTime; readonly modified: NewFileTime },
  who: Credentials,
): void {
  const set = (): number => timeOpen(file.place, accessed, modified);
  const isNow = typeof accessed !== 'object' && typeof modified !== 'object';
  if (!isNow || who.uid === uid) {
    done(callers.as(who, set));
    return;
  }
  const result = callers.as(who, () => accessOpen(file.place, accessMode.write));
  if (result < 0) throw fileError(-result);
  done(set());
}
