import { assert } from '@ashlar/core';

/** Who has a lock: two with one name are one. */
export type LockOwner = {
  /** The machine, as it calls itself. */
  readonly client: string;
  /** The process on it. */
  readonly process: string;
};

/** Behind the last byte that may be locked: offsets of files are signed numbers of 64 bits. Programs lock far behind the end of what they have, where nothing is. */
export const endOfAll = 2n ** 63n;

/** Bytes [from, to); to the end, wherever that is, where `to` is `endOfAll`. */
export type LockRange = { readonly from: bigint; readonly to: bigint };

export type Lock = LockRange & { readonly owner: LockOwner; readonly isExclusive: boolean };

/** A lock that is asked for and not free: told when it is granted. */
export type WaitingLock = Lock & { readonly file: string; readonly granted: () => void };

const isSameOwner = (one: LockOwner, other: LockOwner): boolean =>
  one.client === other.client && one.process === other.process;
const lesser = (one: bigint, other: bigint): bigint => (one < other ? one : other);
const greater = (one: bigint, other: bigint): bigint => (one > other ? one : other);
const overlaps = (one: LockRange, other: LockRange): boolean => one.from < other.to && other.from < one.to;

/** Locks of ranges of files, as POSIX has them: of one owner they replace each other, of several they are shared or exclusive. */
export class LockTable {
  /** Of each file, in the order of their beginnings for each owner. */
  readonly #locks = new Map<string, Lock[]>();
  readonly #waiting: WaitingLock[] = [];
  #held = 0;

  /** Locks that are held or waited for. */
  get count(): number {
    return this.#held + this.#waiting.length;
  }

  /** Whether somebody has a lock of a file, or waits for one. */
  has(file: string): boolean {
    return this.#locks.has(file) || this.#waiting.some((each) => each.file === file);
  }

  /** A lock of somebody else's that is in the way. */
  conflict(file: string, wanted: Lock): Lock | undefined {
    return this.#locks
      .get(file)
      ?.find(
        (lock) =>
          !isSameOwner(lock.owner, wanted.owner) && overlaps(lock, wanted) && (lock.isExclusive || wanted.isExclusive),
      );
  }

  /** Takes a lock, in place of what the owner has of the range. Gives one that is in the way; then nothing is taken. */
  take(file: string, wanted: Lock): Lock | undefined {
    assert(wanted.from < wanted.to, 'a range has bytes');
    const conflict = this.conflict(file, wanted);
    if (conflict !== undefined) return conflict;
    this.#put(file, wanted.owner, wanted, wanted);
    // Who had it alone may share it now.
    this.#grant(file);
    return undefined;
  }

  /** Gives a range back, whatever of it the owner has. */
  free(file: string, owner: LockOwner, range: LockRange): void {
    this.#put(file, owner, range, undefined);
    this.#grant(file);
  }

  /** Waits for a lock that is not free. Whoever comes first is granted first. */
  wait(waiting: WaitingLock): void {
    this.#waiting.push(waiting);
  }

  /** Gives whether somebody waited for it. */
  cancel(file: string, { from, isExclusive, owner, to }: Lock): boolean {
    const at = this.#waiting.findIndex(
      (each) =>
        each.file === file &&
        isSameOwner(each.owner, owner) &&
        each.from === from &&
        each.to === to &&
        each.isExclusive === isExclusive,
    );
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }

  /** A machine is new: it has no locks, and waits for none. */
  forget(client: string): void {
    for (let at = this.#waiting.length - 1; at >= 0; at -= 1) {
      if (this.#waiting[at]!.owner.client === client) this.#waiting.splice(at, 1);
    }
    for (const [file, locks] of this.#locks) {
      const left = locks.filter(({ owner }) => owner.client !== client);
      if (left.length === locks.length) continue;
      this.#set(file, left);
      this.#grant(file);
    }
  }

  /** All that are held, by their files. */
  all(): readonly (Lock & { readonly file: string })[] {
    return [...this.#locks].flatMap(([file, locks]) => locks.map((lock) => ({ ...lock, file })));
  }

  /** What the owner has of a range becomes one lock, or nothing; neighbours of one kind are one. */
  #put(file: string, owner: LockOwner, range: LockRange, lock: Lock | undefined): void {
    const locks = this.#locks.get(file) ?? [];
    const others = locks.filter((each) => !isSameOwner(each.owner, owner));
    const own = locks
      .filter((each) => isSameOwner(each.owner, owner))
      .flatMap((each) => [
        { ...each, to: lesser(each.to, range.from) },
        { ...each, from: greater(each.from, range.to) },
      ])
      .filter(({ from, to }) => from < to);
    const all = [...own, ...(lock === undefined ? [] : [lock])].toSorted((one, other) =>
      one.from < other.from ? -1 : 1,
    );
    this.#set(file, [...others, ...joined(all)]);
  }

  #set(file: string, locks: Lock[]): void {
    this.#held += locks.length - (this.#locks.get(file)?.length ?? 0);
    if (locks.length === 0) this.#locks.delete(file);
    else this.#locks.set(file, locks);
  }

  #grant(file: string): void {
    for (;;) {
      const at = this.#waiting.findIndex((each) => each.file === file && this.conflict(file, each) === undefined);
      if (at < 0) return;
      const [waiting] = this.#waiting.splice(at, 1);
      const { from, granted, isExclusive, owner, to } = waiting!;
      this.#put(file, owner, { from, to }, { from, isExclusive, owner, to });
      granted();
    }
  }
}

function joined(sorted: readonly Lock[]): Lock[] {
  const all: Lock[] = [];
  for (const lock of sorted) {
    const last = all.at(-1);
    if (last !== undefined && last.to === lock.from && last.isExclusive === lock.isExclusive) {
      all[all.length - 1] = { ...last, to: lock.to };
    } else all.push(lock);
  }
  return all;
}
