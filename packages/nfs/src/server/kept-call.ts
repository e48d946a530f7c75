import { CallHead, XdrReader } from '@ashlar/wire';
import type { ServedCall } from './rpc-session.ts';

/** The same call in memory of its own: it may be served later. */
export function keptCall({ peer, record: bytes }: ServedCall): ServedCall {
  const record = Buffer.from(bytes);
  const head = new CallHead();
  const reader = new XdrReader(record);
  head.read(reader);
  return { head, reader, peer, record };
}
