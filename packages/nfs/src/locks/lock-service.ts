import { AshlarError, type Clock, type Scheduler, type StreamPeer } from '@ashlar/core';
import { lockStatus, type NlmHolder, type NlmLock } from '../codec/nlm.ts';
import { plainAddress } from '../exports/client-pattern.ts';
import type { NfsService } from '../server/call.ts';
import { treeNumberOf } from '../server/exports.ts';
import { endOfAll, LockTable, type Lock, type LockOwner } from './lock-table.ts';
import { ShareTable } from './share-table.ts';

/** How long after a start locks are only given back to those who had them: as long as knfsd. */
const graceMs = 45_000;
/** A client that is told of a lock answers within this time, or is told again. */
const againMs = 10_000;
const mostTellings = 6;

/** Tells a client that a lock that it waits for is its own; gives whether it still wants it. Rejects where it cannot be reached. */
export type TellGranted = (client: string, lock: NlmLock, isExclusive: boolean) => Promise<boolean>;

/** Machines that have locks: on record, so that they can be told of a restart. */
export interface LockClients {
  /** Settles when it is on record. */
  add(address: string): Promise<void>;
  remove(address: string): Promise<void>;
}

export type LockServiceParts = {
  readonly service: Pick<NfsService, 'exports' | 'handles'>;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly clients: LockClients;
  readonly tell: TellGranted;
};

/** A lock for people. */
export type HeldLock = {
  readonly client: string;
  readonly path: string;
  readonly fileId: string;
  /** As near as a number is. */
  readonly from: number;
  /** Infinity: to the end. */
  readonly to: number;
  readonly isExclusive: boolean;
};

/** What a client asks for: who, which file, which bytes. */
type Wanted = { readonly file: string; readonly path: string; readonly lock: Lock };

/** Bounds what clients can make us keep. */
const mostLocks = 1_000_000;

/** Locks of one server, as the lock manager of clients asks for them (NLM version 4). They live as long as the server: clients are told of a restart, and claim them again. */
export class LockService {
  readonly #parts: LockServiceParts;
  readonly #table = new LockTable();
  readonly #shares = new ShareTable();
  readonly #paths = new Map<string, string>();
  readonly #known = new Set<string>();
  #graceUntil = 0;

  constructor(parts: LockServiceParts) {
    this.#parts = parts;
  }

  /** Until some time has passed, locks are only given to those who had them before. */
  beginGrace(): void {
    this.#graceUntil = this.#parts.clock.monotonicMs() + graceMs;
  }

  get isGrace(): boolean {
    return this.#parts.clock.monotonicMs() < this.#graceUntil;
  }

  /** Who is in the way, where somebody is. */
  test(peer: StreamPeer, lock: NlmLock, isExclusive: boolean): { status: number; holder: NlmHolder | undefined } {
    try {
      const { file, lock: wanted } = this.#wanted(peer, lock, isExclusive);
      if (this.isGrace) return { status: lockStatus.gracePeriod, holder: undefined };
      const conflict = this.#table.conflict(file, wanted);
      if (conflict === undefined) return { status: lockStatus.granted, holder: undefined };
      return { status: lockStatus.denied, holder: holderOf(conflict) };
    } catch (error) {
      return { status: lockStatusOf(error), holder: undefined };
    }
  }

  /** Gives a status of NLM: `blocked` where the client is told later. */
  async lock(
    peer: StreamPeer,
    lock: NlmLock,
    {
      blocks,
      isExclusive,
      isMonitored,
      isReclaimed,
    }: { blocks: boolean; isExclusive: boolean; isMonitored: boolean; isReclaimed: boolean },
  ): Promise<number> {
    try {
      const wanted = this.#wanted(peer, lock, isExclusive);
      if (this.isGrace !== isReclaimed) return isReclaimed ? lockStatus.denied : lockStatus.gracePeriod;
      if (this.#table.count >= mostLocks) return lockStatus.noLocks;
      if (isMonitored) await this.#remember(peer);
      this.#paths.set(wanted.file, wanted.path);
      if (this.#table.take(wanted.file, wanted.lock) === undefined) return lockStatus.granted;
      if (!blocks) return lockStatus.denied;
      // It may ask again and again for the same.
      this.#table.cancel(wanted.file, wanted.lock);
      // What the call is read from is another call's when this one is answered.
      const asked = copyOf(lock);
      this.#table.wait({
        ...wanted.lock,
        file: wanted.file,
        granted: () => void this.#told(plainAddress(peer.address), wanted, asked, mostTellings),
      });
      return lockStatus.blocked;
    } catch (error) {
      return lockStatusOf(error);
    }
  }

  cancel(peer: StreamPeer, lock: NlmLock, isExclusive: boolean): number {
    try {
      const wanted = this.#wanted(peer, lock, isExclusive);
      if (this.isGrace) return lockStatus.gracePeriod;
      return this.#table.cancel(wanted.file, wanted.lock) ? lockStatus.granted : lockStatus.denied;
    } catch (error) {
      return lockStatusOf(error);
    }
  }

  unlock(peer: StreamPeer, lock: NlmLock): number {
    try {
      const { file, lock: range } = this.#wanted(peer, lock, true);
      if (this.isGrace) return lockStatus.gracePeriod;
      this.#table.free(file, range.owner, range);
      this.#forgetPath(file);
      return lockStatus.granted;
    } catch (error) {
      return lockStatusOf(error);
    }
  }

  share(
    peer: StreamPeer,
    {
      access,
      caller,
      denied,
      handle,
      owner,
    }: { access: number; caller: string; denied: number; handle: Uint8Array; owner: Uint8Array },
    isTaken: boolean,
    isReclaimed: boolean,
  ): number {
    try {
      const { file } = this.#fileOf(peer, handle);
      const who = { client: clientOf(peer, caller), owner: Buffer.from(owner).toString('hex') };
      if (!isTaken) {
        this.#shares.free(file, who);
        return lockStatus.granted;
      }
      if (this.isGrace !== isReclaimed) return isReclaimed ? lockStatus.denied : lockStatus.gracePeriod;
      return this.#shares.take(file, { ...who, access, denied }) ? lockStatus.granted : lockStatus.denied;
    } catch (error) {
      return lockStatusOf(error);
    }
  }

  /** A machine says that it has no locks any more, by the name that it locks with. */
  freeAll(peer: StreamPeer, name: string): void {
    const client = clientOf(peer, name);
    this.#table.forget(client);
    this.#shares.forget(client);
    this.#forgetPaths();
  }

  /** A machine was restarted: whatever its name is, what came from its address is gone. */
  async restarted(peer: StreamPeer): Promise<void> {
    const address = plainAddress(peer.address);
    const clients = new Set(this.#table.all().map(({ owner }) => owner.client));
    for (const client of clients) {
      if (client.startsWith(`${address} `)) {
        this.#table.forget(client);
        this.#shares.forget(client);
      }
    }
    this.#forgetPaths();
    if (this.#known.delete(address)) await this.#parts.clients.remove(address);
  }

  all(): HeldLock[] {
    return this.#table.all().map(({ file, from, isExclusive, owner, to }) => ({
      client: owner.client,
      path: this.#paths.get(file) ?? '',
      fileId: file,
      from: Number(from),
      to: to === endOfAll ? Infinity : Number(to),
      isExclusive,
    }));
  }

  #wanted(peer: StreamPeer, { caller, handle, length, offset, owner, process }: NlmLock, isExclusive: boolean): Wanted {
    const { file, path } = this.#fileOf(peer, handle);
    if (offset >= endOfAll) throw new AshlarError('too-big', 'a lock begins behind where any file ends');
    const end = offset + length;
    const to = length === 0n || end > endOfAll ? endOfAll : end;
    const who: LockOwner = {
      client: clientOf(peer, caller),
      process: `${process}:${Buffer.from(owner).toString('hex')}`,
    };
    return { file, path, lock: { owner: who, from: offset, to, isExclusive } };
  }

  #fileOf(peer: StreamPeer, handle: Uint8Array): { readonly file: string; readonly path: string } {
    const { exports, handles } = this.#parts.service;
    const { file, fileSystem } = handles.decode(handle);
    const exported = exports.find(fileSystem, peer);
    const { path } = exported;
    return { file: `${treeNumberOf(exported).toString(16)}:${Buffer.from(file).toString('hex')}`, path };
  }

  async #remember({ address }: StreamPeer): Promise<void> {
    const plain = plainAddress(address);
    if (this.#known.has(plain)) return;
    this.#known.add(plain);
    await this.#parts.clients.add(plain);
  }

  /** A client that does not want it any more, or cannot be reached again and again, does not have it. */
  async #told(address: string, { file, lock }: Wanted, asked: NlmLock, tellings: number): Promise<void> {
    try {
      if (await this.#parts.tell(address, asked, lock.isExclusive)) return;
    } catch {
      if (tellings > 1) {
        const wanted = { file, path: '', lock };
        this.#parts.scheduler.after(againMs, () => void this.#told(address, wanted, asked, tellings - 1));
        return;
      }
    }
    this.#table.free(file, lock.owner, lock);
    this.#forgetPath(file);
  }

  #forgetPaths(): void {
    for (const file of this.#paths.keys()) this.#forgetPath(file);
  }

  #forgetPath(file: string): void {
    if (!this.#table.has(file)) this.#paths.delete(file);
  }
}

/** Machines with one name (copies of one image have) are told apart by their addresses. */
const clientOf = ({ address }: StreamPeer, name: string): string => `${plainAddress(address)} ${name}`;

const copyOf = (lock: NlmLock): NlmLock => ({
  ...lock,
  handle: Uint8Array.from(lock.handle),
  owner: Uint8Array.from(lock.owner),
});

const holderOf = ({ from, isExclusive, owner, to }: Lock): NlmHolder => {
  const [process = '0', hex = ''] = owner.process.split(':');
  return {
    isExclusive,
    process: Number(process),
    owner: Buffer.from(hex, 'hex'),
    offset: from,
    length: to === endOfAll ? 0n : to - from,
  };
};

function lockStatusOf(error: unknown): number {
  if (!(error instanceof AshlarError)) throw error;
  if (error.kind === 'stale' || error.kind === 'bad-handle') return lockStatus.stale;
  if (error.kind === 'too-big') return lockStatus.tooBig;
  return error.kind === 'denied' ? lockStatus.denied : lockStatus.failed;
}
