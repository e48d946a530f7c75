export {
  BufferPool,
  headRoom,
  Inbox,
  InboxPool,
  largestPayload,
  PooledBuffer,
  sessionMemory,
  type SessionMemory,
} from './buffer-pool.ts';
export { ByteReader } from './byte-reader.ts';
export { ByteWriter } from './byte-writer.ts';
export { DuplexStream } from './duplex-stream.ts';
export { duplexOf } from './stream-duplex.ts';
export { streamPair } from './stream-pair.ts';
export { StreamReader } from './stream-reader.ts';
export { acceptTls, connectTls, parseKeys, type TlsClientSettings, type TlsServerSettings } from './tls.ts';
export { authSys, type AuthSys } from './rpc/auth-sys.ts';
export { CallHead, writeCall, type Call } from './rpc/call.ts';
export { authFlavor, authState } from './rpc/constants.ts';
export { fragmentHeadAt, fragmentHeadBytes, RecordAssembler, writeRecordHead } from './rpc/record.ts';
export { readReply, replyHeadBytes, writeAccepted, writeRejected, type Rejection } from './rpc/reply.ts';
export { XdrReader } from './xdr/xdr-reader.ts';
export {
  array,
  bigU64,
  bool,
  fixed,
  i32,
  list,
  oneOf,
  opaque,
  optional,
  struct,
  text,
  u32,
  u64,
  xdrVoid,
  type ValueOf,
  type XdrType,
} from './xdr/xdr-types.ts';
export { XdrWriter } from './xdr/xdr-writer.ts';
