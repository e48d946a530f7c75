import { incompatible, type Qcow2Header } from './header.ts';

/** What follows from a header: sizes in bytes, counts of entries. */
export type Geometry = {
  readonly clusterBytes: number;
  /** A power of two. */
  readonly clusterBits: number;
  /** Of one entry of an L2 table: 8, or 16 with subclusters. */
  readonly entryBytes: number;
  readonly l2Entries: number;
  /** Of a cluster: 1 or 32. */
  readonly subclusters: number;
  readonly subclusterBytes: number;
};

export function geometryOf(header: Pick<Qcow2Header, 'clusterBits' | 'incompatible'>): Geometry {
  const { clusterBits } = header;
  const clusterBytes = 2 ** clusterBits;
  const isExtended = (header.incompatible & incompatible.extendedL2) !== 0;
  const entryBytes = isExtended ? 16 : 8;
  const subclusters = isExtended ? 32 : 1;
  const l2Entries = clusterBytes / entryBytes;
  return { clusterBits, clusterBytes, entryBytes, l2Entries, subclusters, subclusterBytes: clusterBytes / subclusters };
}

/** Bytes that one L2 table maps. */
export const tableSpan = ({ clusterBytes, l2Entries }: Geometry): number => clusterBytes * l2Entries;
