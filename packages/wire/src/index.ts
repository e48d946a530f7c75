export { ByteReader } from './byte-reader.ts';
export { ByteWriter } from './byte-writer.ts';
export { DuplexStream } from './duplex-stream.ts';
export { duplexOf } from './stream-duplex.ts';
export { streamPair } from './stream-pair.ts';
export { StreamReader } from './stream-reader.ts';
export { acceptTls, connectTls, parseKeys, type TlsClientSettings, type TlsServerSettings } from './tls.ts';
