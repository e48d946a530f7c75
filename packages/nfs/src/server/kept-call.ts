import type { StreamPeer } from '@ashlar/core';
import { CallHead, XdrReader } from '@ashlar/wire';
import type { ServedCall } from './served-call.ts';

function callOf(record: Buffer, peer: StreamPeer): ServedCall {
  const head = new CallHead();
  const reader = new XdrReader(record);
  head.read(reader);
  return { head, reader, peer, record };
}

/** The same call in memory of its own: it may be served later. */
export const keptCall = ({ peer, record }: ServedCall): ServedCall => callOf(Buffer.from(record), peer);

/** The same call, whose bytes stay where they are until it is served. */
export const waitingCall = ({ peer, record }: ServedCall): ServedCall => callOf(record, peer);
