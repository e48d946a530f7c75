import { AshlarError, type Compression, type RecordChange, type SnapshotId } from '@ashlar/core';
import type { Export, Volume, VolumeSnapshot } from './types.ts';

/**
 * The catalogue's records in the system store: JSON, so that `ashlar debug dump` shows them to anybody, each with the
 * version of its shape. A record of a later version is never touched: the catalogue does not open.
 */
const schema = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

const prefixes = { catalogue: 'catalogue', volume: 'volume/', export: 'export/', snapshot: 'snapshot/' } as const;

/** How many there are, in the same batch as every change: a catalogue that lost a record is found out at its start. */
export type Counts = { readonly volumes: number; readonly exports: number; readonly snapshots: number };

/** Which snapshot a volume is on its way back to, and its size. */
type RollBackRecord = { readonly snapshotId: SnapshotId; readonly sizeBytes: number };

/** A volume as recorded: with what a change that has not ended is on its way to. */
export type VolumeRecord = Volume & {
  readonly resizingTo?: number;
  readonly rollingBackTo?: RollBackRecord;
  readonly compressingTo?: Compression;
};

type CatalogueRecord =
  | { readonly kind: 'counts'; readonly value: Counts }
  | { readonly kind: 'volume'; readonly value: VolumeRecord }
  | { readonly kind: 'export'; readonly value: Export }
  | { readonly kind: 'snapshot'; readonly value: VolumeSnapshot };

/** All keys of the catalogue are in [from, to). */
export const catalogueRange = { from: encoder.encode('catalogue'), to: encoder.encode('volume0') } as const;

function change(key: string, value: object | null): RecordChange {
  return {
    key: encoder.encode(key),
    value: value === null ? null : encoder.encode(JSON.stringify({ schema, ...value })),
  };
}

export const putVolume = (volume: VolumeRecord): RecordChange => change(prefixes.volume + volume.uuid, volume);
export const dropVolume = (uuid: string): RecordChange => change(prefixes.volume + uuid, null);
export const putExport = (item: Export): RecordChange => change(prefixes.export + item.name, item);
export const dropExport = (name: string): RecordChange => change(prefixes.export + name, null);
export const putSnapshot = (snapshot: VolumeSnapshot): RecordChange =>
  change(`${prefixes.snapshot}${snapshot.volume}/${snapshot.name}`, snapshot);
export const dropSnapshot = (volume: string, name: string): RecordChange =>
  change(`${prefixes.snapshot}${volume}/${name}`, null);
export const putCounts = (counts: Counts): RecordChange => change(prefixes.catalogue, counts);

/** Throws `corrupt` for what cannot be read and `unsupported` for a record of a later version. */
export function parseRecord(key: Uint8Array, value: Uint8Array): CatalogueRecord {
  const name = decoder.decode(key);
  const { schema: version, ...fields } = parseFields(name, value);
  if (version !== schema) {
    throw new AshlarError(
      'unsupported',
      `the catalogue's record '${name}' has version ${String(version)} and this Ashlar knows version ${schema}: start the version that wrote it`,
    );
  }
  // What a checksum of the store has passed is what this file wrote.
  // A catalogue that never had snapshots says nothing of them.
  if (name === prefixes.catalogue)
    return { kind: 'counts', value: { snapshots: 0, ...(fields as Omit<Counts, 'snapshots'>) } };
  if (name.startsWith(prefixes.volume)) return { kind: 'volume', value: fields as VolumeRecord };
  if (name.startsWith(prefixes.export)) return { kind: 'export', value: fields as Export };
  if (name.startsWith(prefixes.snapshot)) return { kind: 'snapshot', value: fields as VolumeSnapshot };
  throw new AshlarError('unsupported', `the catalogue has a record '${name}' that this Ashlar does not know`);
}

function parseFields(name: string, value: Uint8Array): Record<string, unknown> {
  try {
    return JSON.parse(decoder.decode(value)) as Record<string, unknown>;
  } catch (error) {
    throw new AshlarError('corrupt', `the catalogue's record '${name}' cannot be read: run 'ashlar check'`, {}, error);
  }
}
