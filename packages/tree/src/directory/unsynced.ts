import { allDone, type Scheduler, type Settled, type Timer } from '@ashlar/core';
import { syncOnPool, type Descriptor } from '@ashlar/host';
import { fileError } from './errors.ts';
import type { OpenFile } from './open-file.ts';
import { SharedSync } from './shared-sync.ts';

type Parts = {
  /** The root, as it is read. */
  readonly root: Descriptor;
  readonly scheduler: Scheduler;
  /** A sync failed. */
  readonly failed: () => void;
};

/** Files that are held for a sync; of more the file system is synced as a whole. */
const mostFiles = 256;
/** What nobody waits for is synced after that. */
const longestMs = 5000;

/** Names and attributes that were changed and may not be durable yet: the directories and files to sync. */
export class Unsynced {
  readonly #parts: Parts;
  readonly #shared = new SharedSync(() => this.#run());
  #files = new Map<bigint, OpenFile>();
  /** Something was changed that cannot be opened, such as a device, or too much. */
  #isWhole = false;
  #timer: Timer | undefined;
  /** Done once what was changed before is durable. */
  #afterwards: (() => Settled<void>)[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Its names, or its attributes. */
  changed(file: OpenFile): void {
    if (this.#isWhole || this.#files.has(file.inode)) return;
    this.#timer ??= this.#parts.scheduler.after(longestMs, () => {
      this.#timer = undefined;
      this.wait()?.catch(() => undefined);
    });
    try {
      const isOpened = file.type === 'regular' || file.isDirectory;
      if (!isOpened || this.#files.size === mostFiles) this.#all();
      else this.#hold(file);
    } catch {
      this.#all();
    }
  }

  /** It is gone, and nothing of it is to be durable any more. */
  forget(inode: bigint): void {
    this.#files.get(inode)?.release();
    this.#files.delete(inode);
  }

  /** Does it once what was changed before is durable; not at all where that fails. */
  afterwards(run: () => Settled<void>): void {
    this.#afterwards.push(run);
  }

  /** Settles when what was changed before is durable. */
  wait(): Promise<void> | undefined {
    if (this.#files.size === 0 && !this.#isWhole && !this.#shared.isRunning) return undefined;
    return this.#shared.wait();
  }

  close(): void {
    this.#timer?.cancel();
    for (const inode of this.#files.keys()) this.forget(inode);
  }

  /** It is opened now where it is not yet: later nobody is told that it cannot be. */
  #hold(file: OpenFile): void {
    void file.forSync;
    file.keep();
    this.#files.set(file.inode, file);
  }

  #all(): void {
    this.#isWhole = true;
    for (const inode of this.#files.keys()) this.forget(inode);
  }

  async #run(): Promise<void> {
    const files = [...this.#files.values()];
    const [afterwards, isWhole] = [this.#afterwards, this.#isWhole];
    this.#files = new Map();
    this.#isWhole = false;
    this.#afterwards = [];
    const syncs = files.map(async (file) => {
      try {
        await file.sync('all');
      } finally {
        file.release();
      }
    });
    if (isWhole) syncs.push(this.#syncWhole());
    await allDone(syncs);
    for (const each of afterwards) await each();
  }

  async #syncWhole(): Promise<void> {
    const { failed, root } = this.#parts;
    const result = await root.hold((number) => syncOnPool(number, 'fileSystem'));
    if (result >= 0) return;
    failed();
    throw fileError(-result);
  }
}
