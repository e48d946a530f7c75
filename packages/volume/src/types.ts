import type { ThrottleLimits } from '@ashlar/block';
import type { Compression, ObjectId, Preallocation, SnapshotId, StoreId } from '@ashlar/core';

/** Where a volume's bytes are in the pool. */
export type VolumePlace = { readonly storeId: StoreId; readonly objectId: ObjectId };

/** What becomes of a volume when writes of a client on another machine may be lost: `hold` serves it only once accepted. */
export const afterLossChoices = ['hold', 'serve'] as const;

export type AfterLoss = (typeof afterLossChoices)[number];

export type Volume = VolumePlace & {
  readonly name: string;
  /** Never changes, also when it is renamed; exports and attachments name the volume by it. */
  readonly uuid: string;
  readonly type: 'block';
  readonly sizeBytes: number;
  readonly preallocation: Preallocation;
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly limits: ThrottleLimits;
  /** Unset: its blocks are stored as they are. */
  readonly compression?: Compression;
  /** Unset: as the server is configured. */
  readonly afterLoss?: AfterLoss;
  /** The pool's loss generation that the volume was last accepted, or written from another machine, at. */
  readonly acceptedLoss?: number;
  /** A client on another machine could write since the last clean stop; on record before it was let in. */
  readonly remoteWriter?: boolean;
  /** Room that the pool keeps for it; unset: none. */
  readonly reservedBytes?: number;
  /** By which snapshots are taken by themselves. */
  readonly schedules?: readonly SnapshotSchedule[];
  /** A stream that is being received into it, or broke off: the uuids of its snapshot and of the one that it goes on from, and how far it is durable here. */
  readonly receiving?: { readonly snapshot: string; readonly since?: string; readonly offset: number };
  /** The snapshot that it is a clone of: by the uuid of its volume. */
  readonly origin?: { readonly volume: string; readonly snapshotId: SnapshotId };
  /** What it has of its origin is being copied. */
  readonly flattening?: true;
};

/** Snapshots that are taken by themselves. */
export type SnapshotSchedule = {
  readonly name: string;
  readonly everySeconds: number;
  /** How many of them are kept. */
  readonly keep: number;
  /** ISO 8601, UTC: since when. */
  readonly since: string;
};

/** A point of a volume's history that is kept under a name. */
export type VolumeSnapshot = {
  readonly name: string;
  /** Of what it has: a copy that was received on another server has the same. */
  readonly uuid: string;
  /** The volume's uuid. */
  readonly volume: string;
  readonly snapshotId: SnapshotId;
  /** The name of the schedule that took it. */
  readonly schedule?: string;
  /** The volume's size then. */
  readonly sizeBytes: number;
  /** ISO 8601, UTC. */
  readonly created: string;
};

/** What an export offers: a volume of the pool, or something outside it. */
type ExportSource =
  | { readonly kind: 'volume'; readonly uuid: string }
  | {
      readonly kind: 'uri';
      /** As `fileNamedBy` takes them. */
      readonly uri: string;
    };

export type Export = {
  readonly name: string;
  readonly source: ExportSource;
  readonly readOnly: boolean;
  /** Its clients may change the volume's size; unset: not. */
  readonly resizable?: boolean;
  /** Addresses (CIDR) that may attach over TCP; empty: everybody who may connect to the server. */
  readonly allow: readonly string[];
  readonly over: readonly ExportProtocol[];
  /** ISO 8601, UTC. */
  readonly created: string;
};

export const exportProtocols = ['nbd'] as const;

export type ExportProtocol = (typeof exportProtocols)[number];

export type NewVolume = {
  readonly name: string;
  readonly sizeBytes: number;
  readonly preallocation?: Preallocation;
  readonly limits?: ThrottleLimits;
  /** Room that the pool keeps for it, 0 for none; more than the pool has is refused. */
  readonly reservedBytes?: number;
  /** Unset: as the server is configured, and not where it is preallocated. */
  readonly compression?: Compression;
  readonly afterLoss?: AfterLoss;
  /** Offers it at once under its own name; default true. */
  readonly exported?: boolean;
};

export type NewClone = {
  readonly name: string;
  /** Offers it at once under its own name; default true. */
  readonly exported?: boolean;
};

export type RollBack = {
  /** Also while clients are attached: their connections end. */
  readonly force?: boolean;
  /** Removes the snapshots that are newer. */
  readonly removeNewer?: boolean;
};
