export type { Host, HostFile } from './host.ts';
export { createRealHost } from './real/host.ts';
export { sendDatagram } from './ffi/datagram.ts';
