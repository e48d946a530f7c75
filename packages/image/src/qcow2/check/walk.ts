import { AshlarError } from '@ashlar/core';
import { tableOffsetAt } from '../entry.ts';
import { incompatible, type Qcow2Header } from '../header.ts';
import { readBitmaps, readSnapshots, tableAt } from '../stored.ts';
import { hex } from './findings.ts';
import { L2Walk, type WalkParts } from './l2-walk.ts';

/** So often a table is referred to: by the image as it is, and in all. */
type Uses = { readonly active: number; readonly all: number };

const l1Reserved = 0x7f00_0000_0000_01ffn;
const bitmapReserved = 0xff00_0000_0000_01fen;
const offsetMask = 0x00ff_ffff_ffff_fe00n;
/** Between two looks at whatever else the process does. */
const pauseEvery = 64;

/**
 * Counts who refers to the clusters of an image: the header, the image's tables and those of its snapshots, the table of these, bitmaps. However often
 * a table is referred to, it is read once: it costs no more than the file is long.
 */
export class ReferenceWalk {
  readonly #parts: WalkParts;
  readonly #fileBytes: number;

  constructor(parts: WalkParts) {
    this.#parts = parts;
    this.#fileBytes = parts.file.size();
  }

  async run(): Promise<void> {
    const { file, geometry, header } = this.#parts;
    this.count(0, geometry.clusterBytes);
    const tables = new Map<number, Uses>();
    await this.#walkL1(header.l1Offset, header.l1Entries, 1, 1, tables);
    await this.#walkSnapshots(tables);
    const walk = new L2Walk(this.#parts, (offset, bytes, times) => this.count(offset, bytes, times));
    const table = Buffer.alloc(geometry.clusterBytes);
    let done = 0;
    for (const [offset, { active, all }] of tables) {
      // Behind the end of the file there is nothing, and between clusters a part of something else.
      if (offset >= this.#fileBytes || offset % geometry.clusterBytes !== 0) continue;
      const count = await file.read(offset, table);
      if (walk.run(table.fill(0, count), active, all)) await this.#mend(offset, table);
      done += 1;
      if (done % pauseEvery === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    if (header.bitmaps !== undefined) await this.#walkBitmaps(header.bitmaps);
  }

  /** Durable before refcounts are written that no longer count what the table referred to. */
  async #mend(offset: number, table: Buffer): Promise<void> {
    const { file } = this.#parts;
    await file.write(offset, table);
    await file.sync();
  }

  /** Counts the clusters that some bytes lie in. They may end behind the end of the file, and not a cluster behind it. */
  count(offset: number, bytes: number, times = 1): void {
    const { counts, findings, geometry } = this.#parts;
    if (bytes <= 0) return;
    if (offset + bytes - this.#fileBytes >= geometry.clusterBytes) {
      findings.corruption(
        `ERROR: counting reference for region exceeding the end of the file by one cluster or more: offset 0x${hex(offset)} size 0x${hex(bytes)}`,
        times,
      );
      return;
    }
    if (!counts.addRange(offset, bytes, times)) {
      findings.corruption(`ERROR: overflow cluster offset=0x${hex(offset)}`, times);
    }
  }

  async #walkL1(
    offset: number,
    entries: number,
    active: number,
    times: number,
    tables: Map<number, Uses>,
  ): Promise<void> {
    const { file, findings, geometry, path } = this.#parts;
    this.count(offset, entries * 8, times);
    const l1 = await tableAt(file, offset, entries * 8, path);
    for (let index = 0; index < entries; index += 1) {
      const entry = l1.readBigUInt64BE(index * 8);
      if (entry === 0n) continue;
      if ((entry & l1Reserved) !== 0n) {
        findings.corruption(`ERROR found L1 entry with reserved bits set: ${hex(entry)}`, times);
      }
      const table = tableOffsetAt(l1, index);
      this.count(table, geometry.clusterBytes, times);
      if (table % geometry.clusterBytes !== 0) {
        findings.corruption(`ERROR l2_offset=${hex(table)}: Table is not cluster aligned; L1 entry corrupted`, times);
      }
      const before = tables.get(table) ?? { active: 0, all: 0 };
      tables.set(table, { active: before.active + active, all: before.all + times });
    }
  }

  async #walkSnapshots(tables: Map<number, Uses>): Promise<void> {
    const { file, findings, geometry, header, path } = this.#parts;
    const snapshots = await readSnapshots(file, header, path);
    if (snapshots.length > 0 && (header.incompatible & incompatible.dataFile) !== 0) {
      findings.corruption(`ERROR ${snapshots.length} snapshots in image with data file`);
    }
    const times = new Map<string, { offset: number; entries: number; times: number }>();
    let bytes = 0;
    for (const { id, l1Entries, l1Offset, name } of snapshots) {
      if (l1Offset % geometry.clusterBytes !== 0) {
        findings.corruption(
          `ERROR snapshot ${id} (${name}) l1_offset=0x${hex(l1Offset)}: L1 table is not cluster aligned; snapshot table entry corrupted`,
        );
        continue;
      }
      const key = `${l1Offset} ${l1Entries}`;
      const before = times.get(key);
      if (before !== undefined) {
        before.times += 1;
        continue;
      }
      bytes += l1Entries * 8;
      times.set(key, { offset: l1Offset, entries: l1Entries, times: 1 });
    }
    if (bytes > this.#fileBytes) {
      throw new AshlarError('corrupt', `the L1 tables of the snapshots of '${path}' lie in each other`, { path });
    }
    for (const { entries, offset, times: count } of times.values()) {
      await this.#walkL1(offset, entries, 0, count, tables);
    }
    this.count(header.snapshotsOffset, snapshots.at(-1)?.endsAt ?? 0);
  }

  async #walkBitmaps({ directoryBytes, directoryOffset }: NonNullable<Qcow2Header['bitmaps']>): Promise<void> {
    const { file, findings, geometry, header, path } = this.#parts;
    this.count(directoryOffset, directoryBytes);
    const bitmaps = await readBitmaps(file, header, path);
    for (const { name, tableEntries, tableOffset } of bitmaps) {
      this.count(tableOffset, tableEntries * 8);
      const table = await tableAt(file, tableOffset, tableEntries * 8, path);
      for (let index = 0; index < tableEntries; index += 1) {
        const entry = table.readBigUInt64BE(index * 8);
        const offset = Number(entry & offsetMask);
        const isOdd = offset % geometry.clusterBytes !== 0 || (offset !== 0 && (entry & 1n) !== 0n);
        if ((entry & bitmapReserved) !== 0n || isOdd) {
          findings.corruption(`ERROR bitmap ${name} has a table entry that is not valid: ${hex(entry)}`);
        } else if (offset !== 0) this.count(offset, geometry.clusterBytes);
      }
    }
  }
}
