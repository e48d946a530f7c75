import type { BlockCapabilities, BlockSizes, Settled, SnapshotId, StreamPeer } from '@ashlar/core';
import { transmissionFlag } from '../codec/constants.ts';

/** What a handshake says of an export. */
export type ExportFacts = {
  readonly name: string;
  readonly description: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly blockSizes: BlockSizes;
  readonly capabilities: BlockCapabilities;
  /** Clients that may write may change its size. */
  readonly mayResize?: boolean;
  /** Besides `base:allocation`. */
  readonly contexts?: readonly ContextOffer[];
};

/** What a metadata context tells of: the states of extents, where they come from, what changed behind a snapshot, or what a bitmap says. */
export type ContextSource =
  | { readonly kind: 'allocation' }
  | { readonly kind: 'depth' }
  | { readonly kind: 'changes'; readonly since: SnapshotId }
  | { readonly kind: 'bitmap'; readonly name: string };

export type ContextOffer = { readonly name: string; readonly source: ContextSource };

/** A context that was negotiated: it has its number on this connection. */
export type MetaContext = { readonly id: number; readonly source: ContextSource };

/** The exports that one client may see. */
export interface ExportDirectory {
  list(peer: StreamPeer): Settled<readonly { readonly name: string; readonly description: string }[]>;
  /** Nothing where there is none of that name. `denied`, `try-later` and the like by throwing. */
  find(name: string, peer: StreamPeer): Settled<ExportFacts | undefined>;
}

/** What both sides agreed on; plain data, so that it can go to another thread with the connection. */
export type Negotiated = {
  readonly exportName: string;
  readonly replies: 'simple' | 'structured' | 'extended';
  /** In the order in which they were chosen. */
  readonly contexts: readonly MetaContext[];
};

/** proto.md, "Transmission flags". A payload of BLOCK_STATUS chooses among the contexts that were negotiated, if any. */
export function transmissionFlags(
  { readOnly, capabilities, mayResize = false }: ExportFacts,
  { replies, contexts }: Negotiated,
): number {
  const flag = transmissionFlag;
  let flags: number = flag.hasFlags;
  if (capabilities.flush !== 'none') flags |= flag.sendFlush;
  if (capabilities.prefetch !== 'none') flags |= flag.sendCache;
  if (capabilities.multiConnection === 'native' || readOnly) flags |= flag.canMultiConn;
  if (replies !== 'simple') flags |= flag.sendDf;
  if (replies === 'extended' && contexts.length > 0) flags |= flag.blockStatusPayload;
  if (readOnly) return flags | flag.readOnly;
  if (mayResize) flags |= flag.sendResize;
  if (capabilities.durable !== 'none') flags |= flag.sendFua;
  if (capabilities.trim !== 'none') flags |= flag.sendTrim;
  if (capabilities.zero !== 'none') flags |= flag.sendWriteZeroes | flag.sendFastZero;
  return flags;
}
