import { AshlarError, assert, errorKindOf, MiB } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';

/** How long a measured amount of free room is believed, and how many bytes may be promised on it. */
const believeMs = 200;
const believeBytes = 16 * MiB;

/**
 * Rule 6: room for new blocks is counted before a write is acknowledged, and a reserve file keeps what one checkpoint
 * needs on a disk that is full.
 */
export class Room {
  readonly #host: Host;
  readonly #path: string;
  readonly #reserve: HostFile;
  readonly #reserveBytes: number;
  #freeBytes = 0;
  #measuredAt = -Infinity;
  /** New blocks that were let in and are not yet home: of these, those that are not recorded yet, and those that the running checkpoint brings home. */
  #promisedBytes = 0;
  #unrecordedBytes = 0;
  #takenBytes = 0;
  #measuredPromise = 0;
  #shrunk = false;
  /** The host was asked since the start, and keeps the reserve's room or cannot: what its size says may be from before a loss of power. */
  #stands = false;
  /** Room is being given back to the host, and not yet for good: so many do, and no more was free when the first of them began. */
  #withholding = 0;
  #mostFreeBytes = Infinity;

  constructor(host: Host, path: string, reserve: HostFile, reserveBytes: number) {
    this.#host = host;
    this.#path = path;
    this.#reserve = reserve;
    this.#reserveBytes = reserveBytes;
  }

  /** Bytes that new blocks may still take. */
  get freeBytes(): number {
    this.#measure();
    return Math.max(0, Math.min(this.#freeBytes, this.#mostFreeBytes) - this.#promisedBytes);
  }

  /** Something is counted that a checkpoint will know exactly. */
  get hasPromised(): boolean {
    return this.#promisedBytes > 0;
  }

  get isShrunk(): boolean {
    return this.#shrunk;
  }

  /** Whether the exact count of new blocks must be known before a write of that many bytes. */
  isTight(bytes: number): boolean {
    return this.#shrunk || this.freeBytes < bytes + 4 * believeBytes;
  }

  /** Whether there is room for a copy of that many bytes beside all that was promised; then it is promised. */
  holds(bytes: number): boolean {
    if (this.isTight(bytes) && (this.#shrunk || this.freeBytes < bytes)) return false;
    this.#promisedBytes += bytes;
    this.#unrecordedBytes += bytes;
    return true;
  }

  /** Counts new blocks, or throws `no-space`. What is counted is said to be `recorded` later, whatever becomes of it. */
  promise(bytes: number): void {
    if (bytes === 0) return;
    if (this.#shrunk || this.freeBytes < bytes) {
      this.#measuredAt = -Infinity;
      if (this.#shrunk || this.freeBytes < bytes) {
        throw new AshlarError('no-space', 'the pool is full: new data needs room on its disk', { path: this.#path });
      }
    }
    this.#promisedBytes += bytes;
    this.#unrecordedBytes += bytes;
  }

  /** New blocks that a recovery found: they were promised before. */
  expect(bytes: number): void {
    this.#promisedBytes += bytes;
  }

  /** So many promised bytes are in the journal now, or have failed: the next checkpoint settles them. */
  recorded(bytes: number): void {
    this.#unrecordedBytes -= bytes;
    assert(this.#unrecordedBytes >= 0, 'what is recorded was promised');
  }

  /** A checkpoint takes all that is recorded. */
  take(): void {
    this.#takenBytes = this.#promisedBytes - this.#unrecordedBytes;
  }

  /** What was taken is home: the host counts it from now on. */
  settle(): void {
    this.#promisedBytes -= this.#takenBytes;
    this.#takenBytes = 0;
    this.#measuredAt = -Infinity;
  }

  /**
   * Room that `giveBack` gives back to the host counts as free only when `sync` made that durable: else a loss of power would
   * bring back what lay there, and what was acknowledged since would have no place.
   */
  async withhold(giveBack: () => Promise<void>, sync: () => Promise<void>): Promise<void> {
    if (this.#withholding === 0) this.#mostFreeBytes = this.#host.freeBytes(this.#path);
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
      await this.#reserve.allocate(0, this.#reserveBytes);
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
    this.#reserve.truncate(0);
    this.#shrunk = true;
    this.#stands = false;
  }

  close(): void {
    this.#reserve.close();
  }

  #measure(): void {
    const now = this.#host.clock.monotonicMs();
    if (now - this.#measuredAt < believeMs && this.#promisedBytes - this.#measuredPromise < believeBytes) return;
    this.#freeBytes = this.#host.freeBytes(this.#path);
    this.#measuredAt = now;
    this.#measuredPromise = this.#promisedBytes;
  }
}
