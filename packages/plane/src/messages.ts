import type { ThrottleLimits } from '@ashlar/block';
import type { BlockCapabilities, BlockSizes, ObjectId, SnapshotId, StoreId } from '@ashlar/core';
import type { AcceptedSocket } from '@ashlar/host';
import type { HostSource } from '@ashlar/image';
import type { ContextOffer, Negotiated, TlsStart } from '@ashlar/nbd';
import type { CallCountsView, ExportRules } from '@ashlar/nfs';
import type { TlsServerSettings } from '@ashlar/wire';

/** What a device is made of; the data plane has at most one of each open. */
export type DeviceSource =
  | {
      readonly kind: 'volume';
      readonly uuid: string;
      readonly storeId: StoreId;
      readonly objectId: ObjectId;
      readonly limits: ThrottleLimits;
    }
  | {
      readonly kind: 'snapshot';
      /** Of its volume. */
      readonly uuid: string;
      readonly storeId: StoreId;
      readonly objectId: ObjectId;
      readonly snapshotId: SnapshotId;
    }
  | ({ readonly kind: 'file'; readonly readOnly: boolean } & HostSource);

/** What a client was given: an export, checked and found by the control plane. */
export type Grant = {
  readonly exportName: string;
  readonly source: DeviceSource;
  readonly readOnly: boolean;
  /** Its clients may change the volume's size. */
  readonly mayResize: boolean;
  /** `deviceStats` memory of the source, written by the worker and read by everybody. */
  readonly stats: SharedArrayBuffer;
  /** Of its volume's history. */
  readonly contexts: readonly ContextOffer[];
};

/** The source as one word: volumes by uuid, their snapshots by number, files by path and by whether they are written. */
export function sourceKey(source: DeviceSource): string {
  if (source.kind === 'volume') return `volume:${source.uuid}`;
  if (source.kind === 'snapshot') return `snapshot:${source.uuid}:${source.snapshotId}`;
  const { followsFiles, format, isShared, logical, partition, path, readOnly } = source;
  const volume = logical === undefined ? '' : `${logical.group}/${logical.volume}@${logical.paths.join()}`;
  const part = partition === undefined ? '' : `#${partition}`;
  const options = `${followsFiles ? '+' : ''}${isShared ? '*' : ''}${volume}${part}`;
  return `${format}${options}:${readOnly ? 'ro' : 'rw'}:${path}`;
}

/** A file volume or a directory of the machine, of whose tree the data plane has one open. */
export type TreeSource =
  | {
      readonly kind: 'volume';
      readonly uuid: string;
      readonly storeId: StoreId;
      readonly objectId: ObjectId;
      /** Most that its files may take. */
      readonly sizeBytes: number;
    }
  | { readonly kind: 'directory'; readonly path: string };

/** A snapshot of a file volume, which is a file system of its own. */
export type SnapshotGrant = {
  readonly name: string;
  readonly snapshotId: SnapshotId;
  readonly fileSystem: bigint;
  /** Seconds since 1970. */
  readonly takenSeconds: number;
};

/** What is exported over NFS, to whom and by which rules. Each has a file system's number of its own. */
export type NfsGrant = {
  /** What it is mounted from. */
  readonly path: string;
  /** The number that clients know its file system by, for ever. */
  readonly fileSystem: bigint;
  /** Of the tree: the same in each export of it. */
  readonly treeNumber: bigint;
  readonly source: TreeSource;
  /** Nobody may use it for now: whoever asks is to ask again. */
  readonly isWithdrawn: boolean;
  /** What is below `.snapshot`, which is a file system of its own. Directories have none. */
  readonly snapshots: { readonly fileSystem: bigint; readonly all: readonly SnapshotGrant[] };
  /** As exports(5) writes them, such as `10.0.0.0/8` or `*`. */
  readonly clients: readonly { readonly client: string; readonly rules: ExportRules }[];
};

/** Where NFS and what belongs to it is listened for. `portmapper`: at its port as well, or another one is there, or nobody is to be asked. */
export type NfsPlace = {
  readonly hosts: readonly string[];
  readonly port: number;
  readonly portmapper: 'own' | 'other' | 'none';
};

/** What of NFS may be another at any time. */
export type NfsOptions = {
  /** Each call is logged. */
  readonly accessLog: boolean;
  /** The groups of a user are those that this machine knows, in place of those that a call says. */
  readonly manageGids: boolean;
};

/** A connection of NFS and what belongs to it, for people. */
export type NfsConnectionInfo = {
  readonly id: number;
  readonly peer: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
};

/** A client of NFS, for people. */
export type NfsClientInfo = {
  readonly address: string;
  readonly connections: number;
  /** Milliseconds since 1970: when it came first. */
  readonly sinceMs: number;
  readonly calls: CallCountsView;
};

/** What a handshake says about a device. */
export type DeviceFacts = {
  readonly sizeBytes: number;
  readonly blockSizes: BlockSizes;
  readonly capabilities: BlockCapabilities;
  readonly readOnly: boolean;
  /** What its clients may ask of it besides: of the grant, and what the device has itself. */
  readonly contexts: readonly ContextOffer[];
};

/** Runs of an object, from where they were asked for on, and its size. */
export type Changes = {
  readonly sizeBytes: number;
  /** Offset and length of each run that changed, in order: so many objects would take longer to come than to be found. */
  readonly changed: Float64Array;
  /** Where what was looked at ends. */
  readonly end: number;
};

/** A connection in the data plane, for people. */
export type ConnectionInfo = {
  readonly id: number;
  readonly exportName: string;
  /** `unix`, or address and port. */
  readonly peer: string;
  /** Of its TLS certificate or key. */
  readonly identity: string | undefined;
  readonly tls: boolean;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
};

/** Which connections to end: one, or all of an export. */
export type Selection = { readonly id: number } | { readonly exportName: string };

/** What the worker is started with. */
export type WorkerSettings = {
  readonly poolPath: string;
  readonly store: {
    readonly chunkSize: number;
    readonly journalSize: number;
    readonly overlaySize: number;
    readonly cacheSize: number;
    readonly mapCacheSize: number;
  };
  /** The device that the pool's data lies on, or is to. */
  readonly device?: string | undefined;
  /** Most bytes that the pool's data may take; nothing: what the disk has. */
  readonly capacityBytes?: number | undefined;
  /** In place of the machine's own; one that differs from the last makes an unclean stop a loss of power. */
  readonly bootId?: string;
};

/** A connection on its way to the worker, which owns its descriptor from then on. */
export type Adoption =
  | {
      readonly kind: 'ready';
      readonly id: number;
      readonly socket: AcceptedSocket;
      readonly negotiated: Negotiated;
      readonly grant: Grant;
    }
  | {
      /** The client was told to begin TLS: that and the rest of the handshake happen in the worker. */
      readonly kind: 'tls';
      readonly id: number;
      readonly socket: AcceptedSocket;
      readonly start: TlsStart;
      readonly tls: TlsServerSettings;
      /** For TLS and the handshake together. */
      readonly timeoutMs: number;
    };
