import { AshlarError, andThen, assert, MiB, type Settled } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { FrameCopy, maxFrameBytes, type FrameBuilder } from './format/journal-frame.ts';
import type { BrokenRule } from './broken-rule.ts';
import { syncFiles } from './sync-files.ts';

/** Where the next frame goes, and what it must say of the one before it. */
export type JournalPosition = {
  readonly generation: number;
  readonly number: number;
  readonly segment: number;
  readonly offset: number;
  readonly previous: number;
};

type Segment = { readonly index: number; readonly file: HostFile };

/** Segments that are there before the first write: what overwrites need on a disk that is full. */
const leastSegments = 4;

/**
 * One stream of frames in preallocated segments. Frames are appended whole, never across two segments; a segment is
 * used again only behind the checkpoint that made its frames needless (rule 1e).
 */
export class Journal {
  readonly #host: Host;
  readonly #directory: string;
  readonly #poolId: string;
  readonly #segmentBytes: number;
  readonly #mostSegments: number;
  readonly #free: Segment[] = [];
  /** In the order of their frames; the last one is appended to. */
  readonly #used: Segment[] = [];
  readonly #unsynced = new Set<HostFile>();
  #count = 0;
  #position: JournalPosition;
  /** Of the frame that was appended last. */
  readonly #last = new FrameCopy();
  #durable = -1;
  #preparing: Promise<void> | undefined;
  #refused = false;
  #retriesSync = false;
  #roomWaiters: (() => void)[] = [];

  private constructor(host: Host, directory: string, poolId: string, journalBytes: number, position: JournalPosition) {
    this.#host = host;
    this.#directory = directory;
    this.#poolId = poolId;
    this.#segmentBytes = Math.max(2 * MiB, Math.min(16 * MiB, Math.floor(journalBytes / 16 / MiB) * MiB));
    this.#mostSegments = Math.max(leastSegments + 1, Math.floor(journalBytes / this.#segmentBytes));
    this.#position = position;
    assert(this.#segmentBytes >= maxFrameBytes, 'a segment holds a frame');
  }

  /** Opens the stream for appends behind `position`. Every segment but those in `keep` is free. */
  static async open(
    host: Host,
    directory: string,
    poolId: string,
    journalBytes: number,
    position: JournalPosition,
    broken?: BrokenRule,
  ): Promise<Journal> {
    const journal = new Journal(host, directory, poolId, journalBytes, position);
    journal.#retriesSync = broken === 'sync-retried';
    for (const name of host.list(directory)) {
      const file = host.open(`${directory}/${name}`, {});
      const index = Number(name.slice(-6));
      if (file.size() === journal.#segmentBytes) journal.#free.push({ index, file });
      else {
        file.close();
        host.unlink(`${directory}/${name}`);
      }
    }
    journal.#count = journal.#free.length;
    while (journal.#count < leastSegments) await journal.#prepare();
    journal.#free.sort((a, b) => b.index - a.index);
    journal.#next();
    return journal;
  }

  get position(): JournalPosition {
    return this.#position;
  }

  /** Frames up to this number survive a loss of power. */
  get durableNumber(): number {
    return this.#durable;
  }

  get bytes(): number {
    return this.#count * this.#segmentBytes;
  }

  /** Bytes that frames may still take before a checkpoint must free some. */
  get freeBytes(): number {
    const more = this.#refused ? 0 : this.#mostSegments - this.#count;
    return (this.#free.length + more) * this.#segmentBytes + (this.#segmentBytes - this.#position.offset);
  }

  get capacityBytes(): number {
    return (this.#refused ? this.#count : this.#mostSegments) * this.#segmentBytes;
  }

  /** Bytes that the builder's frame takes if it is the next one. */
  bytesOf(builder: FrameBuilder): number {
    return builder.frameBytes(this.#last);
  }

  /** Whether the next frame of that size can be appended now. */
  hasRoom(bytes: number): boolean {
    return this.#position.offset + bytes <= this.#segmentBytes || this.#free.length > 0;
  }

  /** Settles when `hasRoom` may answer otherwise. */
  async waitForRoom(): Promise<void> {
    if (!this.#refused && this.#count < this.#mostSegments) {
      await this.#prepare();
      return;
    }
    await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Appends one frame: the builder's header, then `parts` (whole blocks). Buffered: settles at once as a rule. */
  append(builder: FrameBuilder, parts: readonly Uint8Array[]): Settled<void> {
    const bytes = this.bytesOf(builder);
    assert(this.hasRoom(bytes), 'a frame is appended where there is room');
    if (this.#position.offset + bytes > this.#segmentBytes) this.#next();
    const { generation, number, previous, segment, offset } = this.#position;
    const head = { poolId: this.#poolId, generation, stream: 0, number, previous, durable: this.#durable };
    const { header, checksum } = builder.seal(head, this.#last);
    this.#last.take(header, segment, offset);
    const file = this.#used.at(-1)?.file;
    assert(file !== undefined, 'there is a segment to append to');
    this.#position = { generation, segment, number: number + 1, offset: offset + bytes, previous: checksum };
    // A sync that begins while the frame is on its way may miss it: it counts as to be synced once it is written.
    return andThen(file.writeMany(offset, [header, ...parts]), () => {
      this.#unsynced.add(file);
    });
  }

  /** The number of the frame that was appended last. */
  get lastNumber(): number {
    return this.#position.number - 1;
  }

  /** Makes durable what was appended; the mark says so of frames up to `number`, whose slots are durable too. */
  async sync(number: number): Promise<void> {
    const files = [...this.#unsynced];
    this.#unsynced.clear();
    await syncFiles(files, this.#retriesSync);
    if (number > this.#durable) this.#durable = number;
  }

  /** The checkpoint is durable: segments that end before its position are free again. */
  releaseBefore(position: JournalPosition): void {
    while (this.#used.length > 1 && this.#used[0]?.index !== position.segment) {
      const segment = this.#used.shift();
      if (segment !== undefined) this.#free.push(segment);
    }
    this.#refused = false;
    for (const wake of this.#roomWaiters.splice(0)) wake();
  }

  close(): void {
    for (const { file } of [...this.#free, ...this.#used]) file.close();
  }

  /** Goes on in the next free segment and has another one prepared behind it. */
  #next(): void {
    // The one that was freed last: what is in the host's memory of it is overwritten there.
    const segment = this.#free.pop();
    assert(segment !== undefined, 'a free segment is there when it is needed');
    this.#used.push(segment);
    this.#position = { ...this.#position, segment: segment.index, offset: 0 };
    if (this.#free.length === 0 && this.#count < this.#mostSegments && !this.#refused) {
      this.#prepare().catch(() => undefined);
    }
  }

  /** Makes one more segment, of zeros, so that an append never allocates. One at a time. */
  #prepare(): Promise<void> {
    this.#preparing ??= this.#makeSegment().finally(() => {
      this.#preparing = undefined;
    });
    return this.#preparing;
  }

  async #makeSegment(): Promise<void> {
    const taken = new Set([...this.#free, ...this.#used].map(({ index }) => index));
    let index = 0;
    while (taken.has(index)) index += 1;
    const path = `${this.#directory}/segment-${String(index).padStart(6, '0')}`;
    const file = this.#host.open(path, { create: true });
    try {
      const zeros = new Uint8Array(MiB);
      for (let offset = 0; offset < this.#segmentBytes; offset += zeros.length) {
        await file.writeOffThread(offset, zeros);
      }
      await file.sync();
      await this.#host.syncDirectory(this.#directory);
    } catch (error) {
      file.close();
      this.#host.unlink(path);
      this.#refused = true;
      if (this.#count < leastSegments || !(error instanceof AshlarError) || error.kind !== 'no-space') throw error;
      return;
    }
    this.#free.push({ index, file });
    this.#count += 1;
    for (const wake of this.#roomWaiters.splice(0)) wake();
  }
}
