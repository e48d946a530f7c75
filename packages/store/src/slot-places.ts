import type { HostFile } from '@ashlar/host';

/** Where the slots of a pool lie. */
export interface SlotPlaces {
  /**
   * A slot in use takes all of its room, and none of it is the host's to give or to take: so it is on a device. In files a slot takes what was
   * written of it.
   */
  readonly isWhole: boolean;
  /** The device that they lie on. */
  readonly device: string | undefined;
  /** As many slots as there are places for. */
  readonly most: number;
  /** False where a file system refused: the page cache is used, for the same file always. */
  readonly isDirect: boolean;
  fileOf(slot: number): HostFile;
  /** Where a block of a slot is in that file. */
  offsetOf(slot: number, block: number): number;
  /** What must be done besides a sync of the files before what is in them is durable, once; nothing, most times. */
  takeNew(): (() => Promise<void>) | undefined;
  /** Bytes of the host's room that so many slots in use take. */
  usedBytes(liveSlots: number): number;
  /** The slots that the host keeps room for, whether they are in use or not, by so many extents of its map at once. */
  held(extentsAtOnce: number): Iterable<ReadonlySet<number>>;
  /** Makes what is the pool's own say so, where it does not yet: behind all that may keep the pool from being opened. Durable when it settles. */
  claim(): Promise<void>;
  close(): void;
}
