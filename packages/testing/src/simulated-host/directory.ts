import { AshlarError } from '@ashlar/core';
import type { SeededRandom } from '../seeded-random.ts';
import type { Inode } from './inode.ts';

export type Node = Inode | Directory;

/** Names that change together: a rename is there whole or not at all. */
type Change = readonly (readonly [name: string, node: Node | undefined])[];

/** A directory's names as processes see them, and as they are on the disk. */
export class Directory {
  readonly names = new Map<string, Node>();
  readonly #disk = new Map<string, Node>();
  #pending: Change[] = [];

  change(change: Change): void {
    apply(this.names, change);
    this.#pending.push(change);
  }

  /** Gives how many changes there are for a sync that begins now. */
  beginSync(): number {
    return this.#pending.length;
  }

  endSync(count: number): void {
    for (const change of this.#pending.splice(0, count)) apply(this.#disk, change);
  }

  /** Of the changes that were not synced the first few are there. */
  losePower(random: SeededRandom): void {
    this.endSync(random.below(this.#pending.length + 1));
    this.#pending = [];
    this.names.clear();
    for (const [name, node] of this.#disk) this.names.set(name, node);
    for (const node of this.names.values()) node.losePower(random);
  }

  loseProcess(): void {
    for (const node of this.names.values()) node.loseProcess();
  }

  /** Every file below. */
  *files(): Generator<Inode> {
    for (const node of this.names.values()) {
      if (node instanceof Directory) yield* node.files();
      else yield node;
    }
  }
}

function apply(names: Map<string, Node>, change: Change): void {
  for (const [name, node] of change) {
    if (node === undefined) names.delete(name);
    else names.set(name, node);
  }
}

function splitPath(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

/** The node at a path from `root`, if it is there. Throws `not-directory` where the way goes through a file. */
export function lookUp(root: Directory, path: string): Node | undefined {
  let node: Node | undefined = root;
  for (const part of splitPath(path)) {
    if (node === undefined) return undefined;
    if (!(node instanceof Directory)) throw new AshlarError('not-directory', `${path} goes through a file`, { path });
    node = node.names.get(part);
  }
  return node;
}

/** The directory that a path's last name is in, and that name. Throws `not-found`, `not-directory`. */
export function parentOf(root: Directory, path: string): { readonly directory: Directory; readonly name: string } {
  const parts = splitPath(path);
  const name = parts.pop() ?? '';
  const directory = lookUp(root, parts.join('/'));
  if (directory === undefined) throw new AshlarError('not-found', `the directory of ${path} is not there`, { path });
  if (!(directory instanceof Directory))
    throw new AshlarError('not-directory', `${path} goes through a file`, { path });
  return { directory, name };
}
