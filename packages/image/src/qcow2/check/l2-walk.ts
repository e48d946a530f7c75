import type { HostFile } from '@ashlar/host';
import { Entries, type Entry } from '../entry.ts';
import type { Geometry } from '../geometry.ts';
import { incompatible, type Qcow2Header } from '../header.ts';
import { hex, type Findings } from './findings.ts';
import type { ReferenceCounts } from './reference-counts.ts';

export type WalkParts = {
  readonly path: string;
  readonly file: HostFile;
  readonly header: Qcow2Header;
  readonly geometry: Geometry;
  readonly counts: ReferenceCounts;
  readonly findings: Findings;
};

const copied = 1n << 63n;
/** Of entries of clusters that are not compressed; bit 0 says something of its own without subclusters. */
const reserved = 0x3f00_0000_0000_01fen;

/** Counts what L2 tables refer to, and looks at each of their entries. */
export class L2Walk {
  readonly #parts: WalkParts;
  readonly #count: (offset: number, bytes: number, times: number) => void;
  readonly #entries: Entries;
  readonly #hasDataFile: boolean;
  readonly #isExtended: boolean;
  /** Where the next cluster of a table lies that is not fragmented; 0: none came before. */
  #expected = 0;

  constructor(parts: WalkParts, count: (offset: number, bytes: number, times: number) => void) {
    this.#parts = parts;
    this.#count = count;
    this.#hasDataFile = (parts.header.incompatible & incompatible.dataFile) !== 0;
    this.#isExtended = parts.geometry.subclusters > 1;
    this.#entries = new Entries(parts.geometry, parts.header.version, this.#hasDataFile);
  }

  /** `active`: so often the image as it is has this table; `all`: and so often its snapshots and it. */
  run(table: Buffer, active: number, all: number): void {
    const { entryBytes, l2Entries } = this.#parts.geometry;
    this.#expected = 0;
    for (let index = 0; index < l2Entries; index += 1) {
      const bits = table.readBigUInt64BE(index * entryBytes);
      const map = this.#isExtended ? table.readBigUInt64BE(index * entryBytes + 8) : 0n;
      if (bits === 0n && map === 0n) continue;
      const entry = this.#entries.at(table, index);
      if (entry.compressedBytes > 0) this.#compressed(entry, bits, map, index, active, all);
      else this.#plain(entry, bits, map, active, all);
    }
  }

  #compressed(entry: Entry, bits: bigint, map: bigint, index: number, active: number, all: number): void {
    const { findings } = this.#parts;
    if ((bits & copied) !== 0n) {
      findings.corruption(
        `ERROR: coffset=0x${hex(entry.offset)}: copied flag must never be set for compressed clusters`,
        all,
      );
    }
    if (this.#hasDataFile) {
      const line = `ERROR compressed cluster ${index} with data file, entry=0x${hex(bits & ~copied)}`;
      findings.corruption(line, all);
      return;
    }
    if (map !== 0n) {
      const what = `with non-zero subcluster allocation bitmap, entry=0x${hex(bits & ~copied)}`;
      findings.corruption(`ERROR compressed cluster ${index} ${what}`, all);
      return;
    }
    this.#count(entry.offset, entry.compressedBytes, all);
    findings.figures.allocatedClusters += active;
    findings.figures.compressedClusters += active;
    // What lies within a cluster is not read in one go with the next.
    findings.figures.fragmentedClusters += active;
  }

  #plain(entry: Entry, bits: bigint, map: bigint, active: number, all: number): void {
    const { findings, geometry } = this.#parts;
    const { allocated, offset, zero } = entry;
    const known = this.#isExtended ? bits & (reserved | 1n) : bits & reserved;
    if (known !== 0n) findings.corruption(`ERROR found l2 entry with reserved bits set: ${hex(bits)}`, all);
    if (offset < 0) {
      if (this.#isExtended && allocated !== 0) {
        findings.corruption('ERROR: Unallocated cluster has non-zero subcluster allocation map', all);
      }
      return;
    }
    if (this.#isExtended && (allocated & zero) !== 0) {
      const line = `ERROR offset=${hex(offset)}: Allocated cluster has corrupted subcluster allocation bitmap`;
      findings.corruption(line, all);
    }
    findings.figures.allocatedClusters += active;
    if (this.#expected !== 0 && offset !== this.#expected) findings.figures.fragmentedClusters += active;
    this.#expected = offset + geometry.clusterBytes;
    if (offset % geometry.clusterBytes !== 0) {
      const isData = this.#isExtended ? (map & 0xffff_ffffn) !== 0n : (bits & 1n) === 0n;
      const line = `ERROR offset=${hex(offset)}: ${isData ? 'Data cluster' : 'Preallocated cluster'} is not properly aligned; L2 entry corrupted.`;
      findings.corruption(line, all);
    }
    if (!this.#hasDataFile) this.#count(offset, geometry.clusterBytes, all);
  }
}
