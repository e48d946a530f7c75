export {
  handshake,
  type HandshakeOptions,
  type HandshakeResult,
  type TlsMode,
  type TlsStart,
} from './server/handshake.ts';
export type { ContextOffer, ExportDirectory, ExportFacts, Negotiated } from './server/negotiation.ts';
export { createNbdServer, type SocketServerOptions } from './server/serve-socket.ts';
export { TransmissionSession, type TransmissionOptions } from './server/transmission.ts';
export { listNbd, openNbd, type NbdClientOptions } from './client/device.ts';
export { parseNbdUri, type NbdUri } from './client/uri.ts';
