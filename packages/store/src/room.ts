import { AshlarError, assert, errorKindOf, formatSize, MiB } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import type { BrokenRule } from './broken-rule.ts';
import type { Reservation } from './reservation.ts';

/** How long a measured amount of free room is believed, and how many bytes may be promised on it. */
const believeMs = 200;
const believeBytes = 16 * MiB;

type RoomParts = {
  readonly host: Host;
  /** The pool's directory. */
  readonly path: string;
  readonly reserve: HostFile;
  readonly reserveBytes: number;
  /** What data takes of its disk's room, and what that has free. */
  readonly usedBytes: () => number;
  readonly freeBytes: () => number;
  /** Data lies on a device of its own, and what lies in the pool's directory takes none of its room. */
  readonly isApart: boolean;
  readonly broken: BrokenRule | undefined;
};

/**
 * Rule 6: room for new blocks is counted before a write is acknowledged, and a reserve file keeps what one checkpoint
 * needs on a disk that is full. What is reserved for a store nobody else is let have.
 */
export class Room {
  readonly #parts: RoomParts;
  /** Most that data may take; nothing where only the disk bounds it. */
  #capacityBytes: number | undefined;
  readonly #reserved = new Set<Reservation>();
  /** What of the free room is kept for them, and besides for what the host takes to find it. */
  #keptBytes = 0;
  #hostBytes = 0;
  #freeBytes = 0;
  #onDiskBytes = 0;
  /** What files beside the data are being given of the host's room. */
  #takenBesideBytes = 0;
  #measuredAt = -Infinity;
  /** New blocks that were let in and are not yet home: of these, those that are not recorded yet, and those that the running checkpoint brings home. */
  #promisedBytes = 0;
  #unrecordedBytes = 0;
  #takenBytes = 0;
  #measuredPromise = 0;
  /** What records may take of the disk of the pool's directory until they are home: what was let in, and what of that the running checkpoint takes. */
  #recordBytes = 0;
  #takenRecordBytes = 0;
  #besideBytes = 0;
  #isGivenUp = false;
  /** The running checkpoint gives back what was given up. */
  #isComingBack = false;
  #shrunk = false;
  /** The host was asked since the start, and keeps the reserve's room or cannot: what its size says may be from before a loss of power. */
  #stands = false;
  /** Room is being given back to the host, and not yet for good: so many do, and no more was free when the first of them began. */
  #withholding = 0;
  #mostFreeBytes = Infinity;

  constructor(parts: RoomParts) {
    this.#parts = parts;
  }

  /** Bytes that new blocks may still take, of whatever store. */
  get freeBytes(): number {
    this.#measure();
    return Math.max(0, Math.min(this.#freeBytes, this.#mostFreeBytes) - this.#promisedBesideData);
  }

  /** Of the disk that the data is on. */
  get #promisedBesideData(): number {
    return this.#parts.isApart ? this.#promisedBytes : this.#promisedBytes + this.#recordBytes;
  }

  /** What reservations keep of the free room. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** What is free and not kept; below zero where what is kept does not fit. */
  get availableBytes(): number {
    return this.freeBytes - this.#keptBytes - this.#hostBytes;
  }

  /** What data takes, and the most that it may. */
  get bounds(): { readonly usedBytes: number; readonly capacityBytes: number } {
    const usedBytes = this.#parts.usedBytes();
    return { usedBytes, capacityBytes: this.#capacityBytes ?? usedBytes + this.#parts.freeBytes() };
  }

  /** Nothing: the disk alone bounds what data takes. */
  set capacityBytes(bytes: number | undefined) {
    this.#capacityBytes = bytes;
    this.#measuredAt = -Infinity;
  }

  /** Bytes that the disk of the data has free, whoever takes them. */
  get diskFreeBytes(): number {
    return this.#parts.freeBytes();
  }

  /** Whether the host has so many bytes for a file beside the data, and beside all that is promised and kept. */
  spares(bytes: number): boolean {
    const { host, isApart, path, reserveBytes } = this.#parts;
    if (isApart) return !this.#shrunk && host.freeBytes(path) - this.#takenBesideBytes >= bytes + reserveBytes;
    return !this.#shrunk && this.#spareBytes >= bytes;
  }

  /** Bytes of the disk of the pool's directory that nobody was promised. */
  get #spareBytes(): number {
    const { isApart, reserveBytes } = this.#parts;
    this.#measure();
    if (isApart) return this.#besideBytes - reserveBytes - this.#recordBytes;
    const onDiskBytes = Math.min(this.#onDiskBytes, this.#mostFreeBytes);
    return onDiskBytes - this.#promisedBesideData - this.#keptBytes - this.#hostBytes;
  }

  /** Whether it must be known exactly what changes of records that take so many bytes at the worst give up as well. */
  isTightForRecords(bytes: number): boolean {
    return this.#shrunk || this.#spareBytes < bytes + 4 * believeBytes;
  }

  /**
   * Throws `no-space` where there is none for so many bytes of records. `givesBack`: they are changes that give room back, which may use the half of the reserve, or of what it
   * had while a checkpoint has it: else nobody could ever remove anything again.
   */
  checkRecords(bytes: number, givesBack: boolean): void {
    if (bytes === 0) return;
    const { path, reserveBytes } = this.#parts;
    const least = givesBack ? (this.#shrunk ? reserveBytes / 2 : -reserveBytes / 2) : 0;
    const hasRoom = (): boolean => (givesBack || !this.#shrunk) && this.#spareBytes - bytes >= least;
    if (hasRoom()) return;
    this.#measuredAt = -Infinity;
    if (!hasRoom()) {
      throw new AshlarError('no-space', "the pool is full: new records need room on the disk of the pool's directory", {
        path,
      });
    }
  }

  /** Counts records that are in the journal from now on, until the next checkpoint has brought them home. */
  countRecords(bytes: number): void {
    this.#recordBytes += bytes;
  }

  /** A file beside the data takes so many bytes of the host's room until `work` has settled: nobody else is promised them meanwhile. */
  async takeBeside(bytes: number, work: () => Promise<void>): Promise<void> {
    this.#takenBesideBytes += bytes;
    this.#measuredAt = -Infinity;
    try {
      await work();
    } finally {
      this.#takenBesideBytes -= bytes;
      this.#measuredAt = -Infinity;
    }
  }

  /** Something is counted that a checkpoint will know exactly, or was given up and comes back with one. */
  get mayGrow(): boolean {
    return this.#promisedBytes > 0 || this.#recordBytes > 0 || this.#isGivenUp || this.#isComingBack;
  }

  /** Blocks were trimmed. */
  giveUp(): void {
    this.#isGivenUp = true;
  }

  get isShrunk(): boolean {
    return this.#shrunk;
  }

  /** Bytes that new blocks of a store may still take. */
  freeFor(store: Reservation): number {
    if (this.#parts.broken === 'reservation-ignored') return this.freeBytes;
    return this.availableBytes + store.keptBytes + store.hostBytes;
  }

  /** Whether the exact count of new blocks must be known before a store writes that many bytes. */
  isTight(bytes: number, store: Reservation): boolean {
    return this.#shrunk || this.freeFor(store) < bytes + 4 * believeBytes;
  }

  /**
   * Whether there is room for a copy of that many bytes beside all that was promised and all that is kept, but for what is kept for `store`; then
   * it is promised.
   */
  holds(bytes: number, store?: Reservation): boolean {
    const freeBytes = store === undefined ? this.availableBytes : this.freeFor(store);
    if (this.#shrunk || freeBytes < bytes) return false;
    this.#promisedBytes += bytes;
    this.#unrecordedBytes += bytes;
    return true;
  }

  /** Counts new blocks of a store, or throws `no-space`. What is counted is said to be `recorded` later, whatever becomes of it. */
  promise(bytes: number, store: Reservation): void {
    if (bytes === 0) return;
    if (this.#shrunk || this.freeFor(store) < bytes) {
      this.#measuredAt = -Infinity;
      if (this.#shrunk || this.freeFor(store) < bytes) {
        throw new AshlarError('no-space', this.#fullBecause(bytes), { path: this.#parts.path });
      }
    }
    this.#promisedBytes += bytes;
    this.#unrecordedBytes += bytes;
    if (store.bytes > 0) this.#changeKept(store, () => store.promise(bytes));
  }

  /** Data lies on a device, and there is hardly room in the directory for what says where. */
  #isFullBeside(): boolean {
    const { host, isApart, path, reserveBytes } = this.#parts;
    return isApart && host.freeBytes(path) - this.#takenBesideBytes < reserveBytes;
  }

  #fullBecause(bytes: number): string {
    if (this.#isFullBeside()) {
      return "the pool is full: maps and checksums of new data need room on the disk of the pool's directory";
    }
    if (!this.#shrunk && this.freeBytes >= bytes) {
      return `the pool is full: what is free, ${formatSize(this.freeBytes)}, is reserved for other volumes`;
    }
    const { usedBytes, capacityBytes } = this.bounds;
    if (this.#capacityBytes === undefined || this.#shrunk || capacityBytes - usedBytes > this.#freeBytes) {
      return 'the pool is full: new data needs room on its disk';
    }
    return `the pool is full: its data takes ${formatSize(usedBytes)} of its capacity of ${formatSize(capacityBytes)}`;
  }

  /** Keeps so much room for a store; 0: none. */
  reserve(store: Reservation, bytes: number): void {
    this.#hostBytes += store.hostBytesOf(bytes) - store.hostBytes;
    this.#changeKept(store, () => store.set(bytes));
    if (bytes > 0) this.#reserved.add(store);
    else this.#reserved.delete(store);
  }

  /** What a store has is a snapshot's as well from now on. */
  share(store: Reservation): void {
    this.#changeKept(store, () => store.share());
  }

  /** What is the stores' own has changed. */
  recount(): void {
    for (const store of this.#reserved) this.#changeKept(store, () => store.recount());
  }

  #changeKept(store: Reservation, change: () => void): void {
    const before = store.keptBytes;
    change();
    this.#keptBytes += store.keptBytes - before;
    assert(this.#keptBytes >= 0, 'no less than nothing is kept');
  }

  /** New blocks that a recovery found: they were promised before. */
  expect(bytes: number): void {
    this.#promisedBytes += bytes;
  }

  /** So many promised bytes are in the journal now, or have failed: the next checkpoint settles them. */
  recorded(bytes: number, store?: Reservation): void {
    store?.recorded(bytes);
    this.#unrecordedBytes -= bytes;
    assert(this.#unrecordedBytes >= 0, 'what is recorded was promised');
  }

  /** What was promised to a store is not made use of: a snapshot came before anything was written, and it is counted anew. */
  withdraw(bytes: number, store: Reservation): void {
    this.#promisedBytes -= bytes;
    this.recorded(bytes, store);
  }

  /** A checkpoint takes all that is recorded. */
  take(): void {
    this.#isComingBack ||= this.#isGivenUp;
    this.#isGivenUp = false;
    this.#takenBytes = this.#promisedBytes - this.#unrecordedBytes;
    this.#takenRecordBytes = this.#recordBytes;
    for (const store of this.#reserved) store.take();
  }

  /** What was taken is home: the host counts it from now on. */
  settle(): void {
    this.#promisedBytes -= this.#takenBytes;
    this.#takenBytes = 0;
    this.#recordBytes -= this.#takenRecordBytes;
    this.#takenRecordBytes = 0;
    this.#isComingBack = false;
    this.#measuredAt = -Infinity;
    for (const store of this.#reserved) this.#changeKept(store, () => store.settle());
  }

  /**
   * Room that `giveBack` gives back to the host counts as free only when `sync` made that durable: else a loss of power would
   * bring back what lay there, and what was acknowledged since would have no place.
   */
  async withhold(giveBack: () => Promise<void>, sync: () => Promise<void>): Promise<void> {
    if (this.#withholding === 0) this.#mostFreeBytes = this.#freeNow();
    this.#withholding += 1;
    try {
      await giveBack();
      await sync();
    } finally {
      this.#withholding -= 1;
      if (this.#withholding === 0) this.#mostFreeBytes = Infinity;
      this.#measuredAt = -Infinity;
    }
  }

  /** Makes the reserve stand (again). False while there is no room for it. */
  async restore(): Promise<boolean> {
    if (this.#stands) return true;
    try {
      await this.#parts.reserve.allocate(0, this.#parts.reserveBytes);
    } catch (error) {
      const kind = errorKindOf(error);
      if (kind === 'no-space') {
        this.#shrunk = true;
        return false;
      }
      // A file system that cannot reserve is not asked again and again.
      if (kind !== 'unsupported') throw error;
    }
    this.#shrunk = false;
    this.#stands = true;
    return true;
  }

  /** A checkpoint met a full disk: it may use the reserve. */
  shrink(): void {
    this.#parts.reserve.truncate(0);
    this.#shrunk = true;
    this.#stands = false;
  }

  close(): void {
    this.#parts.reserve.close();
  }

  #measure(): void {
    const now = this.#parts.host.clock.monotonicMs();
    const promisedBytes = this.#promisedBytes + this.#recordBytes;
    if (now - this.#measuredAt < believeMs && promisedBytes - this.#measuredPromise < believeBytes) return;
    const { host, isApart, path } = this.#parts;
    if (isApart) this.#besideBytes = host.freeBytes(path) - this.#takenBesideBytes;
    this.#onDiskBytes = this.#onDiskNow();
    this.#freeBytes = this.#freeNow(this.#onDiskBytes);
    this.#measuredAt = now;
    this.#measuredPromise = promisedBytes;
  }

  #onDiskNow(): number {
    const { freeBytes, isApart } = this.#parts;
    return isApart ? freeBytes() : freeBytes() - this.#takenBesideBytes;
  }

  /** What the disk has, up to what the capacity leaves. */
  #freeNow(onDiskBytes = this.#onDiskNow()): number {
    if (this.#isFullBeside()) return 0;
    if (this.#capacityBytes === undefined) return onDiskBytes;
    return Math.min(onDiskBytes, this.#capacityBytes - this.#parts.usedBytes());
  }
}
