import type { Extent } from './extents.ts';
import type { Change, Depth, SnapshotId } from './object-store.ts';
import type { Settled } from './settle.ts';

export type BlockSizes = {
  /** Bytes; offsets and lengths are multiples of it. A power of two. */
  readonly minimum: number;
  /** Bytes; what is fast. A power of two. */
  readonly preferred: number;
  /** Bytes in one read or write. */
  readonly maximum: number;
  /** Bytes of an aligned write that is never seen half, also after a loss of power. */
  readonly atomic: number;
};

/** `none`: refused as `unsupported`; `emulated`: right, but no cheaper than reads and writes; `native`. */
export type Capability = 'none' | 'emulated' | 'native';

export type BlockCapabilities = {
  readonly flush: Capability;
  readonly durable: Capability;
  readonly trim: Capability;
  readonly zero: Capability;
  readonly fastZero: Capability;
  readonly extents: Capability;
  readonly prefetch: Capability;
  readonly compareAndWrite: Capability;
  readonly copyFrom: Capability;
  readonly resize: Capability;
  /** A flush on one connection covers completed writes of all. */
  readonly multiConnection: Capability;
};

export type ZeroMode = 'may-trim' | 'keep-allocated';

/** The past of a device with snapshots, or that was cloned from one. Ranges and limits as of `extents`. */
export interface BlockHistory {
  /** What is other than the snapshot has it. `not-found` where that is gone. */
  changesSince(snapshot: SnapshotId, offset: number, length: number, limit: number): Settled<readonly Change[]>;
  depths(offset: number, length: number, limit: number): Settled<readonly Depth[]>;
}

/** What a device knows of which of its bytes were written, by names that its users gave. Ranges and limits as of `extents`. */
export interface BlockBitmaps {
  readonly names: readonly string[];
  /** `not-found` where there is none of this name. */
  changes(name: string, offset: number, length: number, limit: number): Settled<readonly Change[]>;
}

/**
 * A sized array of blocks. Shared by every protocol (above) and every kind of volume or image (below).
 *
 * - Offsets and lengths are bytes, multiples of `blockSizes.minimum`, inside the device: callers check what peers
 *   send; an implementation answers a breach with AshlarError `out-of-range` or `invalid`.
 * - An operation returns nothing when it is done at once, or a promise; it may throw or reject (`settle` treats both alike).
 * - The caller owns a buffer and leaves it alone until the operation settles.
 * - A settled write is visible to every later read. Overlapping operations in flight at once may take effect in either
 *   order, but a block of `blockSizes.atomic` bytes is never mixed.
 * - `durable`: it settles only when it survives a loss of power.
 * - After `close` settles every operation fails with `closed`.
 */
export interface BlockDevice {
  /** Bytes; changes only by `resize`. */
  readonly sizeBytes: number;
  readonly blockSizes: BlockSizes;
  readonly capabilities: BlockCapabilities;
  readonly readOnly: boolean;
  /** What it knows of its past; nothing where it has none. */
  readonly history?: BlockHistory | undefined;
  readonly bitmaps?: BlockBitmaps | undefined;

  read(offset: number, into: Uint8Array): Settled<void>;
  write(offset: number, from: Uint8Array, durable: boolean): Settled<void>;
  /** Gives up the contents: reads as zeros afterwards on devices whose `trim` is native, as anything on others. */
  trim(offset: number, length: number, durable: boolean): Settled<void>;
  /** Reads as zeros afterwards. `keep-allocated`: the room stays reserved, so that a later write cannot meet a full disk. */
  zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void>;
  /** Makes every write *completed* before this call durable. */
  flush(): Settled<void>;
  /**
   * The states of [offset, offset+length), sorted, without gap or overlap. At most `limit` extents (at least 1): then
   * they end before offset+length.
   */
  extents(offset: number, length: number, limit: number): Settled<readonly Extent[]>;
  /** A hint that it will be read soon. */
  prefetch(offset: number, length: number): Settled<void>;
  /** Writes `from` if the contents equal `expected` (same length), atomically; else `miscompare` with the first differing byte as `context.offset`. */
  compareAndWrite(offset: number, expected: Uint8Array, from: Uint8Array, durable: boolean): Settled<void>;
  /** Copies from another device, inside the store where both are of one; holes stay holes. */
  copyFrom(source: BlockDevice, sourceOffset: number, offset: number, length: number): Settled<void>;
  resize(sizeBytes: number): Settled<void>;
  /** Settles when everything in flight has; does not flush. */
  close(): Settled<void>;
}
