import {
  andThen,
  assert,
  AshlarError,
  type Credentials,
  type FileAttributes,
  type FileChange,
  type FileHandle,
  type Settled,
  type Stability,
} from '@ashlar/core';
import { errno, readCached, readOnPool, readWaiting, writeAt } from '@ashlar/host';
import { done } from './errors.ts';
import type { OpenFile } from './open-file.ts';
import { changeTo, checkRead, checkRegular, checkWrite, type TreeState } from './tree-state.ts';

type Read = { readonly count: number; readonly isEnd: boolean; readonly attributes: FileAttributes };

/** What the page cache has is answered at once. */
export function readFile(
  { callers, files, isMemory }: TreeState,
  handle: FileHandle,
  offset: number,
  into: Uint8Array,
  who: Credentials,
): Settled<Read> {
  return andThen(files.find(handle), (file) => {
    checkRegular(file);
    if (file.stat().uid !== who.uid) callers.as(who, () => checkRead(file));
    const count = readAtOnce(file, offset, into, isMemory ? readWaiting : readCached);
    const tell = (all: number): Read => {
      const attributes = file.attributes();
      return { count: all, isEnd: offset + all >= attributes.sizeBytes, attributes };
    };
    if (count >= 0) return tell(count);
    return file.during(async () =>
      tell(await file.reader.hold((number) => readRest(number, offset, into, -count - 1))),
    );
  });
}

/** What the page cache has: the count, or where the disk has to be asked minus the count less one. */
function readAtOnce({ reader }: OpenFile, offset: number, into: Uint8Array, read: typeof readCached): number {
  let at = 0;
  while (at < into.length) {
    const count = read(reader.number, into, at, offset + at);
    if (count === 0) return at;
    if (count > 0) at += count;
    else if (count === -errno.EAGAIN || count === -errno.EOPNOTSUPP) return -at - 1;
    else if (count !== -errno.EINTR) done(count);
  }
  return at;
}

async function readRest(number: number, offset: number, into: Uint8Array, from: number): Promise<number> {
  let at = from;
  while (at < into.length) {
    const count = await readOnPool(number, into, at, offset + at);
    if (count === 0) return at;
    if (count > 0) at += count;
    else if (count !== -errno.EINTR) done(count);
  }
  return at;
}

/** Into the page cache, as the caller, so that bits of set-id go where they must; durable as far as it is to be when it settles. */
export function writeFile(
  { callers, files, limits }: TreeState,
  handle: FileHandle,
  offset: number,
  from: Uint8Array,
  stability: Stability,
  who: Credentials,
): Settled<{ readonly committed: Stability; readonly change: FileChange }> {
  return andThen(files.find(handle), (file) => {
    checkRegular(file);
    if (offset + from.length > limits.mostFileBytes) throw new AshlarError('too-big', 'a file cannot be so large');
    callers.as(who, () => {
      checkWrite(file, who);
      writeAll(file, offset, from);
    });
    const written = { committed: stability, change: changeTo(file.attributes()) };
    if (stability === 'unstable') return written;
    return file.sync(stability === 'file' ? 'all' : 'data').then(() => written);
  });
}

function writeAll(file: OpenFile, offset: number, from: Uint8Array): void {
  const { number } = file.writer;
  for (let at = 0; at < from.length;) {
    const count = writeAt(number, from, at, offset + at);
    if (count === -errno.EINTR) continue;
    assert(count !== 0, 'a write writes something');
    at += done(count);
  }
}

/** All of it, whatever part is asked for. */
export function commitFile({ files }: TreeState, handle: FileHandle): Settled<FileChange> {
  return andThen(files.find(handle), (file) => {
    checkRegular(file);
    return file.during(async () => {
      await file.sync('all');
      return changeTo(file.attributes());
    });
  });
}
