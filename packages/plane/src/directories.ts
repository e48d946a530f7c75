import { createHash } from 'node:crypto';
import { AshlarError, type FileTree, type ObjectStore } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { openDirectoryTree } from '@ashlar/tree';

type Records = Pick<ObjectStore, 'commit' | 'getRecord' | 'scanRecords'>;

/** Outside of the catalogue's keys; behind it which directory. */
const prefix = 'x-directory/';

/** Directories of the machine that are exported, each open once. Which directory one is, is on record: another at its path is not taken for it. */
export class Directories {
  readonly #records: Records;
  readonly #host: Host;
  readonly #open = new Map<string, Promise<FileTree>>();

  constructor(records: Records, host: Host) {
    this.#records = records;
    this.#host = host;
  }

  /** Throws `stale` where there is another directory than was exported, such as where nothing is mounted yet. */
  open(path: string): Promise<FileTree> {
    return this.#opened(path, async (tree) => {
      const known = await this.#records.getRecord(rootKey(path));
      if (known === undefined) await this.#remember(path, tree);
      else if (!isSameRoot(known, tree.root)) {
        const what =
          'there is another directory now than was exported: mount what belongs there, or remove the export and add it again';
        throw new AshlarError('stale', `${path}: ${what}`, { path });
      }
    });
  }

  /** Whatever directory it is, that is the one from now on. */
  async openNew(path: string): Promise<void> {
    await this.#opened(path, (tree) => this.#remember(path, tree));
  }

  /** What was changed survives a loss of power. */
  async sync(): Promise<void> {
    for (const opening of this.#open.values()) await (await opening.catch(() => undefined))?.sync();
  }

  /** Closes those of other paths, which nobody uses any more. */
  async keep(paths: ReadonlySet<string>): Promise<void> {
    for (const [path, opening] of this.#open) {
      if (paths.has(path)) continue;
      this.#open.delete(path);
      const tree = await opening.catch(() => undefined);
      await tree?.close();
    }
  }

  #opened(path: string, check: (tree: FileTree) => Promise<void>): Promise<FileTree> {
    const there = this.#open.get(path);
    if (there !== undefined) return there;
    const opening = this.#checked(path, check);
    this.#open.set(path, opening);
    opening.catch(() => this.#open.delete(path));
    return opening;
  }

  async #checked(path: string, check: (tree: FileTree) => Promise<void>): Promise<FileTree> {
    const { clock, random, scheduler } = this.#host;
    const key = Buffer.from(`${prefix}${hashOf(path)}/`);
    const tree = await openDirectoryTree(path, { clock, random, scheduler, records: this.#records, key });
    try {
      await check(tree);
      return tree;
    } catch (error) {
      await tree.close();
      throw error;
    }
  }

  async #remember(path: string, tree: FileTree): Promise<void> {
    await this.#records.commit([{ key: rootKey(path), value: tree.root }], true);
  }
}

/** Handles are of another kind once the server has other rights: their inodes, which are in bytes 4 to 12 of both, tell as well. */
const isSameRoot = (one: Uint8Array, other: Uint8Array): boolean =>
  one[0] === other[0]
    ? Buffer.compare(one, other) === 0
    : Buffer.compare(one.subarray(4, 12), other.subarray(4, 12)) === 0;

const hashOf = (path: string): string => createHash('sha256').update(path).digest('hex').slice(0, 32);

const rootKey = (path: string): Buffer => Buffer.from(`${prefix}${hashOf(path)}-root`);
