import { AshlarError, type Credentials } from '@ashlar/core';
import {
  changeUmask,
  isThread,
  obeyLimits,
  ownUmask,
  setThreadGroup,
  setThreadGroups,
  setThreadUser,
} from '@ashlar/host';

const root = 0;
/** Tried once: a container may have no others than root. */
const anybody = 1;
const mostKnown = 1000;

/**
 * Does what a caller asks for as that caller, so that the kernel checks permissions, lists of access rights among them, and new files are the caller's. Where the server is not root everything is
 * done as the server's own user.
 */
export class Callers {
  /** This thread may be anybody. */
  readonly canSwitch: boolean;
  readonly #hasOwnUmask: boolean;
  readonly #gid: number;
  readonly #known = new Set<string>();
  /** That this thread has, as far as is known. */
  #groups: readonly number[] | undefined;

  constructor() {
    const groups = process.getgroups?.() ?? [];
    this.#gid = process.getegid?.() ?? root;
    const isRoot = process.geteuid?.() === root && setThreadGroups(groups) === 0;
    this.canSwitch = isRoot && this.#canBe(anybody) && obeyLimits() === 0;
    this.#hasOwnUmask = ownUmask() === 0;
  }

  /** `run` must be over when it returns: nothing else may happen as the caller. Throws `denied` where the thread cannot be that one. */
  as<T>({ gid, gids, uid }: Credentials, run: () => T): T {
    if (!this.canSwitch || (uid === root && gid === this.#gid)) return run();
    try {
      if (!this.#hasGroups(gids) || !this.#becomes(uid, gid))
        throw new AshlarError('denied', `the server cannot be user ${uid} with group ${gid}`);
      return run();
    } finally {
      // It may always be itself again.
      setThreadUser(root);
      setThreadGroup(this.#gid);
    }
  }

  /** The same where files are made: their modes are what was asked for. */
  making<T>(who: Credentials, run: () => T): T {
    if (!this.#hasOwnUmask) return this.as(who, run);
    const before = changeUmask(0);
    try {
      return this.as(who, run);
    } finally {
      changeUmask(before);
    }
  }

  #canBe(uid: number): boolean {
    try {
      return this.#becomes(uid, this.#gid);
    } finally {
      setThreadUser(root);
    }
  }

  /** Whom it could be once it can be again. */
  #becomes(uid: number, gid: number): boolean {
    setThreadGroup(gid);
    setThreadUser(uid);
    const who = `${uid}:${gid}`;
    if (this.#known.has(who)) return true;
    if (!isThread(uid, gid)) return false;
    if (this.#known.size === mostKnown) this.#known.clear();
    this.#known.add(who);
    return true;
  }

  /** Root may do anything with them, so they may stay as they are. */
  #hasGroups(groups: readonly number[]): boolean {
    const known = this.#groups;
    if (known?.length === groups.length && known.every((each, at) => each === groups[at])) return true;
    this.#groups = undefined;
    if (setThreadGroups(groups) < 0) return false;
    this.#groups = [...groups];
    return true;
  }
}
