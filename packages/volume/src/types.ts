import type { ThrottleLimits } from '@ashlar/block';
import type { ObjectId, Preallocation, StoreId } from '@ashlar/core';

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
  /** Unset: as the server is configured. */
  readonly afterLoss?: AfterLoss;
  /** The pool's loss generation that the volume was last accepted, or written from another machine, at. */
  readonly acceptedLoss?: number;
  /** A client on another machine could write since the last clean stop; on record before it was let in. */
  readonly remoteWriter?: boolean;
};

/** What an export offers: a volume of the pool, or something outside it. */
type ExportSource =
  | { readonly kind: 'volume'; readonly uuid: string }
  | {
      readonly kind: 'uri';
      /** `file:///path` of a raw image. */
      readonly uri: string;
    };

export type Export = {
  readonly name: string;
  readonly source: ExportSource;
  readonly readOnly: boolean;
  /** Addresses (CIDR) that may attach over TCP; empty: everybody who may connect to the server. */
  readonly allow: readonly string[];
  readonly over: readonly ExportProtocol[];
  /** ISO 8601, UTC. */
  readonly created: string;
};

export const exportProtocols = ['nbd'] as const;

export type ExportProtocol = (typeof exportProtocols)[number];
