import { assert } from '@ashlar/core';
import type { Change, FileType, Made } from './directory-ledger.ts';

/** What a file may be after a cut: what is durable, and what came since that may be there or not. */
export type KnownFile = Made & {
  readonly type: FileType;
  /** Somebody has its handle. */
  readonly isTold: boolean;
  mode: number;
  /** The version of each block. */
  now: number[];
  durable: number[];
  /** Versions that blocks had since they were durable, and sizes in blocks. */
  readonly versions: Map<number, Set<number>>;
  readonly sizes: Set<number>;
};

/** What a client's directories have: each file by each of its names. */
export class DirectoryState {
  readonly names = new Map<string, KnownFile>();
  /** Files that have no name any more. */
  readonly gone: KnownFile[] = [];

  file(path: string): KnownFile {
    const file = this.names.get(path);
    assert(file !== undefined, `${path} is there`);
    return file;
  }

  /** `isAnswered`: what it promises is so; else it may be there or not. */
  apply(change: Change, isAnswered: boolean): void {
    switch (change.kind) {
      case 'make':
        this.#make(change, isAnswered);
        return;
      case 'link':
        this.names.set(change.to, this.file(change.from));
        return;
      case 'rename':
        this.#rename(change.from, change.to);
        return;
      case 'remove':
        this.#lose(change.path);
        return;
      case 'mode':
        this.file(change.path).mode = change.mode;
        break;
      case 'cut':
      case 'write':
        store(this.file(change.path), change);
        break;
      case 'commit':
    }
    const isPromised = change.kind !== 'write' || change.isStable;
    if (isAnswered && isPromised) keep(this.file(change.path));
  }

  #make({ file, handle, inode, mode, path, type }: Extract<Change, { readonly kind: 'make' }>, isTold: boolean): void {
    const unwritten = { now: [], durable: [], versions: new Map(), sizes: new Set([0]) };
    this.names.set(path, { file, handle, inode, isTold, mode, type, ...unwritten });
  }

  /** With a directory go the names of what is in it. */
  #rename(from: string, to: string): void {
    const file = this.file(from);
    if (this.names.get(to) === file) return;
    if (this.names.has(to)) this.#lose(to);
    for (const [path, each] of this.names) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.names.delete(path);
      this.names.set(to + path.slice(from.length), each);
    }
  }

  #lose(path: string): void {
    const file = this.file(path);
    this.names.delete(path);
    if (![...this.names.values()].includes(file)) this.gone.push(file);
  }
}

function store(file: KnownFile, change: Extract<Change, { readonly kind: 'cut' | 'write' }>): void {
  const { now, sizes, versions } = file;
  const note = (block: number, version: number): void =>
    void versions.set(block, (versions.get(block) ?? new Set()).add(version));
  if (change.kind === 'cut') {
    for (let block = change.blocks; block < now.length; block += 1) note(block, 0);
    while (now.length < change.blocks) now.push(0);
    now.length = change.blocks;
  } else {
    for (let block = now.length; block < change.first; block += 1) now.push(0);
    for (let block = change.first; block < change.first + change.count; block += 1) {
      now[block] = change.version;
      note(block, change.version);
    }
  }
  sizes.add(now.length);
}

function keep(file: KnownFile): void {
  file.durable = [...file.now];
  file.versions.clear();
  file.sizes.clear();
  file.sizes.add(file.now.length);
}

/** What is wrong with the bytes of a file of so many whole blocks, each of which has a version or is a mixture. */
export function wrongBlocks(file: KnownFile, found: readonly (number | undefined)[]): string[] {
  const { durable, sizes, versions } = file;
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const wrong: string[] = [];
  if (found.length < least || found.length > most) {
    wrong.push(`has ${found.length} blocks, not ${least} to ${most}`);
  }
  for (const [block, version] of found.entries()) {
    const isOld = version === (durable[block] ?? 0);
    const mayBeMixed = versions.has(block);
    const isNew = version === undefined ? mayBeMixed : versions.get(block)?.has(version) === true;
    if (!isOld && !isNew) wrong.push(`block ${block} has ${version ?? 'a mixture'}, not ${durable[block] ?? 0}`);
  }
  return wrong;
}
