import { AshlarError, type Scheduler } from '@ashlar/core';
import { closeDescriptor, errno, nextEntries, openAgain, openToName, statOpen, type FileStat } from '@ashlar/host';
import { isDot, isDotDot } from '../names.ts';
import { done, fileError } from './errors.ts';
import type { FilePlace } from './handles.ts';
import { isOf, type TableRecord } from './table-record.ts';
import type { TableRow, TableRows } from './table-rows.ts';

type Parts = {
  readonly rows: TableRows;
  readonly scheduler: Scheduler;
  readonly root: { readonly descriptor: number; readonly stat: FileStat };
};

/** A descriptor that names a file, and under which of its names it was found. The caller closes it. */
type Found = { readonly descriptor: number; readonly place: FilePlace };

/** Directories within each other; more is a circle of records. */
const mostDepth = 1000;
/** Entries that are looked through at once. */
const atOnce = 1000;

/** Looks for files of a table of handles where they were found before. Nothing is followed, and what is found must be the same inode, born at the same time. */
export class TableSearch {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Where it was, or in the same directories under another name; nothing where it is in none of them. Throws where that cannot be told. */
  locate({ inode, record }: TableRow, depth = 0): Promise<Found | undefined> {
    return this.#inPlaces(record.places, depth, async (parent, { directory, name }, isNamed) => {
      if (isNamed) return this.#found(parent, { directory, name }, inode, record);
      for await (const each of this.#namesOf(parent, new Set([inode]))) {
        const found = this.#found(parent, { directory, name: each.name }, inode, record);
        if (found !== undefined) return found;
      }
      return undefined;
    });
  }

  /** Which of these files are in none of the directories where they were found. Not those of which that cannot be told. */
  async missing(rows: readonly TableRow[]): Promise<readonly TableRow[]> {
    const directories = new Map<bigint, Promise<number | undefined>>();
    try {
      const isThere = new Set<TableRow>();
      const open = (directory: bigint): Promise<number | undefined> => {
        const opening = directories.get(directory) ?? this.#directory(directory, 0);
        directories.set(directory, opening);
        return opening;
      };
      for (const row of rows) if (await this.#isNamed(row, open)) isThere.add(row);
      const sought = new Map<bigint, Set<TableRow>>();
      for (const row of rows) {
        if (isThere.has(row)) continue;
        for (const { directory } of row.record.places) {
          sought.set(directory, (sought.get(directory) ?? new Set()).add(row));
        }
      }
      for (const [directory, some] of sought) await this.#look(() => open(directory), some, isThere);
      return rows.filter((row) => !isThere.has(row));
    } finally {
      for (const opening of directories.values()) {
        const descriptor = await opening.catch(() => undefined);
        if (descriptor !== undefined && descriptor !== this.#parts.root.descriptor) closeDescriptor(descriptor);
      }
    }
  }

  /** Whether it is where it was, or nobody can say. */
  async #isNamed(
    { inode, record }: TableRow,
    open: (directory: bigint) => Promise<number | undefined>,
  ): Promise<boolean> {
    for (const place of record.places) {
      try {
        const parent = await open(place.directory);
        const found = parent === undefined ? undefined : this.#found(parent, place, inode, record);
        if (found === undefined) continue;
        closeDescriptor(found.descriptor);
        return true;
      } catch (error) {
        return cannotTell(error);
      }
    }
    return false;
  }

  /** Adds those that a directory has, or all where nobody can say. */
  async #look(
    open: () => Promise<number | undefined>,
    rows: ReadonlySet<TableRow>,
    isThere: Set<TableRow>,
  ): Promise<void> {
    try {
      const parent = await open();
      if (parent === undefined) return;
      const found = new Map<bigint, Uint8Array[]>();
      for await (const { inode, name } of this.#namesOf(parent, new Set([...rows].map(({ inode: each }) => each)))) {
        found.set(inode, [...(found.get(inode) ?? []), name]);
      }
      for (const row of rows) if (this.#isAny(parent, found.get(row.inode) ?? [], row)) isThere.add(row);
    } catch (error) {
      if (cannotTell(error)) for (const row of rows) isThere.add(row);
    }
  }

  /** Whether one of the names is of the file, and not of another that has its inode now. */
  #isAny(parent: number, names: readonly Uint8Array[], { inode, record }: TableRow): boolean {
    return names.some((name) => {
      // Which directory the name is in is not asked.
      const found = this.#found(parent, { directory: inode, name }, inode, record);
      if (found !== undefined) closeDescriptor(found.descriptor);
      return found !== undefined;
    });
  }

  /** Tries each place by its name, then each directory as a whole. */
  async #inPlaces(
    places: readonly FilePlace[],
    depth: number,
    look: (parent: number, place: FilePlace, isNamed: boolean) => Promise<Found | undefined>,
  ): Promise<Found | undefined> {
    let failure: unknown;
    for (const isNamed of [true, false]) {
      for (const place of places) {
        try {
          const found = await this.#within(place.directory, depth, (parent) => look(parent, place, isNamed));
          if (found !== undefined) return found;
        } catch (error) {
          failure ??= error;
        }
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /** Does something with a directory that is open; nothing where that is gone. */
  async #within<T>(directory: bigint, depth: number, use: (descriptor: number) => Promise<T>): Promise<T | undefined> {
    const descriptor = await this.#directory(directory, depth);
    if (descriptor === undefined) return undefined;
    try {
      return await use(descriptor);
    } finally {
      if (descriptor !== this.#parts.root.descriptor) closeDescriptor(descriptor);
    }
  }

  /** A directory's descriptor, which the caller closes unless it is the root's; nothing where it is gone. */
  async #directory(inode: bigint, depth: number): Promise<number | undefined> {
    const { root, rows } = this.#parts;
    if (inode === root.stat.inode) return root.descriptor;
    if (depth === mostDepth) return undefined;
    for (const record of await rows.all(inode)) {
      const found = await this.locate({ inode, record }, depth + 1);
      if (found !== undefined) return found.descriptor;
    }
    return undefined;
  }

  /** The file of a name, where it is the one that is looked for. */
  #found(parent: number, place: FilePlace, inode: bigint, record: TableRecord): Found | undefined {
    const descriptor = openToName(parent, place.name);
    if (descriptor === -errno.ENOENT || descriptor === -errno.ENOTDIR) return undefined;
    const stat = statOpen(done(descriptor));
    if (typeof stat !== 'number' && stat.inode === inode && this.#isHere(stat) && isOf(record, stat)) {
      return { descriptor, place };
    }
    closeDescriptor(descriptor);
    if (this.#isHere(done(stat))) return undefined;
    throw new AshlarError('denied', 'another file system is mounted there, which is not exported with this one');
  }

  #isHere({ fileSystem, mount }: FileStat): boolean {
    const { stat } = this.#parts.root;
    return fileSystem === stat.fileSystem && mount === stat.mount;
  }

  /** Names in a directory that are of one of these inodes; other calls have their turn between. */
  async *#namesOf(
    parent: number,
    inodes: ReadonlySet<bigint>,
  ): AsyncGenerator<{ readonly name: Uint8Array; readonly inode: bigint }> {
    const descriptor = done(openAgain(parent, 'read'));
    try {
      for (;;) {
        const found = nextEntries(descriptor, atOnce);
        if (found === -errno.ENOTDIR) return;
        if (typeof found === 'number') throw fileError(-found);
        if (found.length === 0) return;
        yield* found.filter(({ inode, name }) => inodes.has(inode) && !isDot(name) && !isDotDot(name));
        if (found.length === atOnce) await new Promise<void>((resolve) => this.#parts.scheduler.soon(resolve));
      }
    } finally {
      closeDescriptor(descriptor);
    }
  }
}

/** Nobody can say whether a file is there; errors that are none of the system's are told. */
function cannotTell(error: unknown): true {
  if (error instanceof AshlarError) return true;
  throw error;
}
