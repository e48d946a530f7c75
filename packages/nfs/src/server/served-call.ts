import type { StreamPeer } from '@ashlar/core';
import type { CallHead, XdrReader } from '@ashlar/wire';

/** The call that a session has at hand: until `serve` returns it may be read, and longer where `hold` is called. */
export type ServedCall = {
  readonly head: CallHead;
  /** At the arguments. */
  readonly reader: XdrReader;
  readonly peer: StreamPeer;
  /** The bytes of the call, arguments included, as they came. */
  readonly record: Buffer;
};
