import type { ThrottleLimits } from '@ashlar/block';
import type { Compression, ObjectId, Preallocation, SnapshotId, StoreId } from '@ashlar/core';
import type { ExportProtocol } from './protocols.ts';

/** Where a volume's bytes are in the pool. */
export type VolumePlace = { readonly storeId: StoreId; readonly objectId: ObjectId };

/** What becomes of a volume when writes of a client on another machine may be lost: `hold` serves it only once accepted. */
export const afterLossChoices = ['hold', 'serve'] as const;

export type AfterLoss = (typeof afterLossChoices)[number];

/** A disk, or a file tree. */
export const volumeTypes = ['block', 'file'] as const;

export type VolumeType = (typeof volumeTypes)[number];

export type Volume = VolumePlace & {
  readonly name: string;
  /** Never changes, also when it is renamed; exports and attachments name the volume by it. */
  readonly uuid: string;
  readonly type: VolumeType;
  /** Of a file tree: most that its files may take. */
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
      /** As `fileNamedBy` or `directoryNamedBy` takes them. */
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
  /** By which rules it is offered over NFS. */
  readonly nfs?: NfsRules;
  /** Over NFS: clients with rules of their own, and nobody else. `allow` is empty then, and `nfs` holds for none. */
  readonly clients?: readonly NfsClient[];
  /** ISO 8601, UTC. */
  readonly created: string;
};

/** Who may mount an export, and by which rules. */
export type NfsClient = NfsRules & {
  /** As exports(5) writes it, such as `10.0.0.0/8`, `*.example.org` or `*`. */
  readonly client: string;
  readonly readOnly: boolean;
};

/** Rules of an export over NFS, as exports(5) has them. */
export type NfsRules = {
  /** What changes names and attributes is durable before it is answered. */
  readonly sync: boolean;
  /** Only from ports below 1024, which only root of a machine gives. */
  readonly secure: boolean;
  /** Whose requests are nobody's: root's, or all. */
  readonly squash: 'none' | 'root' | 'all';
  readonly anonymousUid: number;
  readonly anonymousGid: number;
  /** Clients are told of access control lists, and set them; unset: so. */
  readonly acls?: boolean;
};

/** Those of them that are said. */
export type SaidRules = { readonly [K in keyof NfsRules]?: NfsRules[K] | undefined };

export type NewVolume = {
  readonly name: string;
  /** A disk unless it is named. */
  readonly type?: VolumeType;
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
