import { AshlarError, andThen, assert, isPromise, MiB, type Settled } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { FrameCopy, maxFrameBytes, type FrameBuilder } from './format/journal-frame.ts';
import type { BrokenRule } from './broken-rule.ts';
import { readFrame } from './journal-frame-reader.ts';
import { segmentOf } from './journal-scan.ts';
import type { Room } from './room.ts';
import { failedSyncs, syncFiles } from './sync-files.ts';

/** Where the next frame goes, and what it must say of the one before it. */
export type JournalPosition = {
  readonly generation: number;
  readonly number: number;
  readonly segment: number;
  readonly offset: number;
  readonly previous: number;
};

/** What a recovery took over and left where it is: its segments are in use, and the next frame repeats what its last one said. */
export type Kept = {
  /** Those with something that was taken over. */
  readonly segments: ReadonlySet<number>;
  /** Of the last frame: its header, and where it is. */
  readonly header: Uint8Array;
  readonly segment: number;
  readonly offset: number;
};

/** What may be taken of the host's room for more segments than there must be (rule 6). */
type JournalRoom = Pick<Room, 'spares' | 'takeBeside'>;

type JournalOptions = {
  readonly journalBytes: number;
  readonly room: JournalRoom;
  readonly kept?: Kept | undefined;
  readonly broken?: BrokenRule | undefined;
};

type Segment = { readonly index: number; readonly file: HostFile };

/** What new segments are filled with. */
const zeros = new Uint8Array(MiB);

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
  readonly #room: JournalRoom;
  readonly #free: Segment[] = [];
  /** In the order of their frames; the last one is appended to. */
  readonly #used: Segment[] = [];
  readonly #unsynced = new Set<Segment>();
  /** A sync of theirs failed: they are not written to any more, and never used again. */
  readonly #bad = new Set<Segment>();
  #count = 0;
  #position: JournalPosition;
  /** Of the frame that was appended last. */
  readonly #last = new FrameCopy();
  #durable = -1;
  /** Behind the last frame that is written, and where the first one is that no sync has taken along. */
  #writtenTo: JournalPosition;
  #syncedTo: JournalPosition;
  #appending: Promise<void> | undefined;
  /** While frames are written to another segment, because a sync failed: appends wait. */
  #rescuing: Promise<void> | undefined;
  #failedSyncs = 0;
  #preparing: Promise<void> | undefined;
  #refused = false;
  readonly #broken: BrokenRule | undefined;
  #roomWaiters: (() => void)[] = [];

  private constructor(
    host: Host,
    directory: string,
    poolId: string,
    position: JournalPosition,
    { journalBytes, room, broken }: JournalOptions,
  ) {
    this.#host = host;
    this.#directory = directory;
    this.#poolId = poolId;
    this.#room = room;
    this.#broken = broken;
    this.#segmentBytes = Math.max(2 * MiB, Math.min(16 * MiB, Math.floor(journalBytes / 16 / MiB) * MiB));
    this.#mostSegments = Math.max(leastSegments + 1, Math.floor(journalBytes / this.#segmentBytes));
    this.#position = position;
    this.#writtenTo = position;
    this.#syncedTo = position;
    assert(this.#segmentBytes >= maxFrameBytes, 'a segment holds a frame');
  }

  /** Opens the stream for appends behind `position`. Every segment is free but those that are kept. */
  static async open(
    host: Host,
    directory: string,
    poolId: string,
    position: JournalPosition,
    options: JournalOptions,
  ): Promise<Journal> {
    const { kept } = options;
    const journal = new Journal(host, directory, poolId, position, options);
    for (const name of host.list(directory)) {
      const file = host.open(`${directory}/${name}`, {});
      const index = segmentOf(name);
      const segment = { index, file };
      const isOwnSize = file.size() === journal.#segmentBytes;
      if (kept?.segments.has(index)) {
        journal.#used.push(segment);
        // The size that was set is another one now.
        if (!isOwnSize) journal.#bad.add(segment);
      } else if (isOwnSize) journal.#free.push(segment);
      else {
        file.close();
        host.unlink(`${directory}/${name}`);
      }
    }
    journal.#count = journal.#free.length + journal.#used.length;
    try {
      // The process before may have ended before the name of a new segment was durable: a sync of what is in it says nothing of that.
      await host.syncDirectory(directory);
      while (journal.#count < leastSegments || journal.#free.length === 0) {
        const isSpared = journal.#count < leastSegments || journal.#room.spares(journal.#segmentBytes);
        if (isSpared) await journal.#prepare();
        if (!isSpared || journal.#refused)
          throw new AshlarError('no-space', `there is no room for the journal in '${directory}'`);
      }
    } catch (error) {
      journal.close();
      throw error;
    }
    if (kept !== undefined) journal.#last.take(Buffer.from(kept.header), kept.segment, kept.offset);
    journal.#free.sort((a, b) => b.index - a.index);
    journal.#next();
    journal.#writtenTo = journal.#position;
    journal.#syncedTo = journal.#position;
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

  /** Syncs that failed, and whose frames were written elsewhere and are durable there. */
  get failedSyncs(): number {
    return this.#failedSyncs;
  }

  /** One more segment may be had, and takes no room that somebody was promised. */
  get #mayGrow(): boolean {
    return !this.#refused && this.#count < this.#mostSegments && this.#room.spares(this.#segmentBytes);
  }

  /** Bytes that frames may still take before a checkpoint must free some. */
  get freeBytes(): number {
    const more = this.#mayGrow ? this.#mostSegments - this.#count : 0;
    return (this.#free.length + more) * this.#segmentBytes + (this.#segmentBytes - this.#position.offset);
  }

  get capacityBytes(): number {
    return (this.#mayGrow ? this.#mostSegments : this.#count) * this.#segmentBytes;
  }

  /** Bytes that the builder's frame takes if it is the next one. */
  bytesOf(builder: FrameBuilder): number {
    return builder.frameBytes(this.#last);
  }

  /** Whether the next frame of that size can be appended now. */
  hasRoom(bytes: number): boolean {
    if (this.#rescuing !== undefined) return false;
    return this.#position.offset + bytes <= this.#segmentBytes || this.#free.length > 0;
  }

  /** Settles when `hasRoom` may answer otherwise. */
  async waitForRoom(): Promise<void> {
    if (this.#rescuing !== undefined) return await this.#rescuing;
    if (this.#mayGrow) {
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
    const current = this.#used.at(-1);
    assert(current !== undefined, 'there is a segment to append to');
    const position = { generation, segment, number: number + 1, offset: offset + bytes, previous: checksum };
    this.#position = position;
    // A sync that begins while the frame is on its way may miss it: it counts as to be synced once it is written.
    const written = andThen(current.file.writeMany(offset, [header, ...parts]), () => {
      this.#writtenTo = position;
      this.#unsynced.add(current);
    });
    this.#appending = isPromise(written) ? written : undefined;
    return written;
  }

  /** The number of the frame that was appended last. */
  get lastNumber(): number {
    return this.#position.number - 1;
  }

  /** Makes durable what was appended; the mark says so of frames up to `number`, whose slots are durable too. */
  async sync(number: number): Promise<void> {
    const segments = [...this.#unsynced];
    this.#unsynced.clear();
    const to = this.#writtenTo;
    const files = segments.map(({ file }) => file);
    const retried = this.#broken === 'sync-retried';
    if (retried) await syncFiles(files, true);
    const failed = retried ? new Map<HostFile, unknown>() : await failedSyncs(files);
    if (failed.size === 0) this.#syncedTo = to;
    else {
      for (const segment of segments) if (failed.has(segment.file)) this.#bad.add(segment);
      this.#rescuing = this.#rescue().finally(() => {
        this.#rescuing = undefined;
      });
      await this.#rescuing;
    }
    if (number > this.#durable) this.#durable = number;
  }

  /** The checkpoint is durable: segments that end before its position are free again. */
  releaseBefore(position: JournalPosition): void {
    while (this.#used.length > 1 && this.#used[0]?.index !== position.segment) {
      const segment = this.#used.shift();
      if (segment === undefined) continue;
      if (this.#bad.delete(segment)) this.#remove(segment);
      else this.#free.push(segment);
    }
    this.#refused = false;
    for (const wake of this.#roomWaiters.splice(0)) wake();
  }

  close(): void {
    for (const { file } of [...this.#free, ...this.#used]) file.close();
  }

  /**
   * Rule 5: what a failed sync was to make durable is written to another segment, as far as memory still holds it, and synced
   * there. Frames stay as they are, numbers and checksums too, so that a recovery may take either copy of one.
   */
  async #rescue(): Promise<void> {
    await this.#appending;
    const from = this.#syncedTo;
    const end = this.#position;
    const sources = this.#used.slice(this.#used.findIndex(({ index }) => index === from.segment));
    const targets = [await this.#nextWhenFree()];
    let source = sources.shift();
    let offset = from.offset;
    for (let number = from.number; number < end.number; number += 1) {
      const expected = { generation: end.generation, number };
      let bytes = source && (await readFrame(source.file, offset, this.#poolId, expected));
      if (bytes === undefined) {
        source = sources.shift();
        offset = 0;
        bytes = source && (await readFrame(source.file, offset, this.#poolId, expected));
      }
      if (bytes === undefined)
        throw new AshlarError('io', 'a sync of the journal failed, and what it was to write is gone');
      offset += bytes.length;
      if (this.#position.offset + bytes.length > this.#segmentBytes) targets.push(await this.#nextWhenFree());
      const { segment, offset: to } = this.#position;
      await targets.at(-1)?.file.writeMany(to, [bytes]);
      this.#last.moved(segment, to);
      this.#position = { ...this.#position, offset: to + bytes.length };
    }
    // All that was appended and not yet synced is in the new segments.
    this.#unsynced.clear();
    const written = targets.map(({ file }) => file);
    if (this.#broken !== 'rescue-not-synced') await syncFiles(written, false);
    this.#writtenTo = this.#position;
    this.#syncedTo = this.#position;
    this.#failedSyncs += 1;
  }

  /** Goes on in a free segment, which is made first where there is none. */
  async #nextWhenFree(): Promise<Segment> {
    while (this.#free.length === 0) {
      if (this.#refused || this.#count >= this.#mostSegments) {
        throw new AshlarError('io', 'a sync of the journal failed, and there is no room to write it elsewhere');
      }
      await this.#prepare();
    }
    return this.#next();
  }

  /** A segment that holds nothing any more and must not be used again. */
  #remove({ file }: Segment): void {
    file.close();
    this.#host.unlink(file.path);
    this.#count -= 1;
    if (this.#count < leastSegments) this.#prepare().catch(() => undefined);
  }

  /** Goes on in the next free segment and has another one prepared behind it. */
  #next(): Segment {
    // The one that was freed last: what is in the host's memory of it is overwritten there.
    const segment = this.#free.pop();
    assert(segment !== undefined, 'a free segment is there when it is needed');
    this.#used.push(segment);
    this.#position = { ...this.#position, segment: segment.index, offset: 0 };
    if (this.#free.length === 0 && this.#mayGrow) {
      this.#prepare().catch(() => undefined);
    }
    return segment;
  }

  /** Makes one more segment, of zeros, so that an append never allocates. One at a time. */
  #prepare(): Promise<void> {
    this.#preparing ??= this.#room
      .takeBeside(this.#segmentBytes, () => this.#makeSegment())
      .finally(() => {
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
