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
  /** Entries that can be mended by themselves are. */
  readonly mends: boolean;
};

/** Upper and lower halves of entries. Reserved: of clusters that are not compressed; bit 0 says something of its own without subclusters. */
const copied = 0x8000_0000;
const reserved = { upper: 0x3f00_0000, lower: 0x1fe } as const;

/** What is no data, compressed, or wrong. */
const unusual = { upper: 0x4000_0000 | reserved.upper, lower: 0x1ff } as const;

/** An entry, or the first half of one with subclusters, as it is. */
type Raw = { readonly upper: number; readonly lower: number };

const bitsOf = ({ lower, upper }: Raw): bigint => (BigInt(upper) << 32n) | BigInt(lower);

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

  /** `active`: so often the image as it is has this table; `all`: and so often its snapshots and it. Gives whether it was changed, and is to be written. */
  run(table: Buffer, active: number, all: number): boolean {
    const { entryBytes, l2Entries } = this.#parts.geometry;
    this.#expected = 0;
    let isChanged = false;
    for (let index = 0; index < l2Entries; index += 1) {
      const from = index * entryBytes;
      const [upper, lower] = [table.readUInt32BE(from), table.readUInt32BE(from + 4)];
      if (this.#usual(upper, lower, active, all)) continue;
      const raw = { upper, lower };
      const entry = this.#entries.at(table, index);
      if ((raw.upper | raw.lower) === 0 && (!this.#isExtended || (entry.allocated | entry.zero) === 0)) continue;
      if (entry.compressedBytes === 0) {
        if (!this.#plain(entry, raw, active, all)) continue;
        // What it reads as needs no place.
        this.#entries.put(table, index, { ...entry, offset: -1 });
        isChanged = true;
      } else {
        const map = this.#isExtended && table.readBigUInt64BE(from + 8) !== 0n;
        this.#compressed(entry, raw, map, index, active, all);
      }
    }
    return isChanged;
  }

  /** Nearly all entries: data, and nothing wrong with it. Gives whether it is such a one, and then it is counted. */
  #usual(upper: number, lower: number, active: number, all: number): boolean {
    const { clusterBytes } = this.#parts.geometry;
    if (this.#isExtended || this.#hasDataFile || (upper & unusual.upper) !== 0 || (lower & unusual.lower) !== 0)
      return false;
    const offset = this.#entries.placeIn(upper, lower);
    if (offset < 0 || (lower & (clusterBytes - 1)) !== 0) return false;
    this.#allocated(offset, active);
    this.#count(offset, clusterBytes, all);
    return true;
  }

  #allocated(offset: number, active: number): void {
    const { findings, geometry } = this.#parts;
    findings.figures.allocatedClusters += active;
    if (this.#expected !== 0 && offset !== this.#expected) findings.figures.fragmentedClusters += active;
    this.#expected = offset + geometry.clusterBytes;
  }

  #compressed(entry: Entry, raw: Raw, hasMap: boolean, index: number, active: number, all: number): void {
    const { findings } = this.#parts;
    const bits = hex(bitsOf({ upper: (raw.upper & ~copied) >>> 0, lower: raw.lower }));
    if ((raw.upper & copied) !== 0) {
      findings.corruption(
        `ERROR: coffset=0x${hex(entry.offset)}: copied flag must never be set for compressed clusters`,
        all,
      );
    }
    if (this.#hasDataFile) {
      const line = `ERROR compressed cluster ${index} with data file, entry=0x${bits}`;
      findings.corruption(line, all);
      return;
    }
    if (hasMap) {
      const what = `with non-zero subcluster allocation bitmap, entry=0x${bits}`;
      findings.corruption(`ERROR compressed cluster ${index} ${what}`, all);
      return;
    }
    this.#count(entry.offset, entry.compressedBytes, all);
    findings.figures.allocatedClusters += active;
    findings.figures.compressedClusters += active;
    // What lies within a cluster is not read in one go with the next.
    findings.figures.fragmentedClusters += active;
  }

  /** Gives whether it is to be mended: its place is worth nothing, and nothing of it is read from there. */
  #plain(entry: Entry, raw: Raw, active: number, all: number): boolean {
    const { findings, geometry } = this.#parts;
    const { allocated, offset, zero } = entry;
    const lower = this.#isExtended ? reserved.lower | 1 : reserved.lower;
    if ((raw.upper & reserved.upper) !== 0 || (raw.lower & lower) !== 0) {
      findings.corruption(`ERROR found l2 entry with reserved bits set: ${hex(bitsOf(raw))}`, all);
    }
    if (offset < 0) {
      if (this.#isExtended && allocated !== 0) {
        findings.corruption('ERROR: Unallocated cluster has non-zero subcluster allocation map', all);
      }
      return false;
    }
    if (this.#isExtended && (allocated & zero) !== 0) {
      const line = `ERROR offset=${hex(offset)}: Allocated cluster has corrupted subcluster allocation bitmap`;
      findings.corruption(line, all);
    }
    this.#allocated(offset, active);
    if (offset % geometry.clusterBytes !== 0) {
      const isData = this.#isExtended ? allocated !== 0 : (raw.lower & 1) === 0;
      const isMended = !isData && this.#parts.mends;
      const what = `offset=${hex(offset)}: ${isData ? 'Data cluster' : 'Preallocated cluster'} is not properly aligned; L2 entry corrupted.`;
      if (isMended) {
        findings.mended(`Repairing ${what}`);
        return true;
      }
      findings.corruption(`ERROR ${what}`, all);
    }
    if (!this.#hasDataFile) this.#count(offset, geometry.clusterBytes, all);
    return false;
  }
}
